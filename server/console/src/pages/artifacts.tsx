// What a job kept: a list of files, each to be had alone, and all as one archive.
import { useEffect, useState } from "preact/hooks";
import { t } from "../i18n";
import { get, path } from "../lib/api";
import { bytes, dateTime } from "../lib/format";
import { Problem, Table, type Column } from "../lib/ui";
import type { Job } from "../types";

/** exposed is the address of what a job asks to be linked: one file, or all that it kept. */
export function exposed(run: string, job: Job): string {
  const base = path("Run", run, "jobs", job.name, "artifacts");
  return job.exposed?.path ? `${base}/file?path=${encodeURIComponent(job.exposed.path)}` : base;
}

export interface Entry {
  path: string;
  size: number;
  directory?: boolean;
}

export interface Index {
  entries?: Entry[] | null;
  /** there are more entries than are listed */
  cut?: boolean;
}

/** files are the entries that can be had one by one. */
export function files(index: Index): Entry[] {
  return (index.entries ?? []).filter((e) => !e.directory);
}

export function Files({ run, job }: { run: string; job: Job }) {
  const [open, setOpen] = useState(false);
  const [index, setIndex] = useState<Index>();
  const [error, setError] = useState<unknown>();
  const base = path("Run", run, "jobs", job.name, "artifacts");
  useEffect(() => {
    if (open && !index) get<Index>(`${base}/index`).then(setIndex, setError);
  }, [open]);
  const columns: Column<Entry>[] = [
    {
      head: t("file"),
      cell: (f) => (
        <a href={`${base}/file?path=${encodeURIComponent(f.path)}`} download={f.path.split("/").pop()}>
          {f.path}
        </a>
      ),
    },
    { head: t("size"), cell: (f) => bytes(f.size) },
  ];
  return (
    <details onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary>
        {t("artifacts")} {job.artifactsExpire ? <span class="hint">{t("expires", { when: dateTime(job.artifactsExpire) })}</span> : null}
      </summary>
      <p>
        <a href={base} download={`${run}-${job.name}.zip`}>
          {t("downloadAll")}
        </a>
      </p>
      <Problem error={error} />
      {index ? <Table label={t("artifacts")} rows={files(index)} columns={columns} id={(f) => f.path} text={(f) => f.path} /> : null}
      {index?.cut ? <p class="hint">{t("filesCut")}</p> : null}
    </details>
  );
}
