// What a job kept: a list of files, each to be had alone, and all as one archive.
import { useEffect, useState } from "preact/hooks";
import { t } from "../i18n";
import { get, path } from "../lib/api";
import { bytes, dateTime } from "../lib/format";
import { Problem, Table, type Column } from "../lib/ui";
import type { Job } from "../types";

interface File {
  path: string;
  size: number;
}

export function Files({ run, job }: { run: string; job: Job }) {
  const [open, setOpen] = useState(false);
  const [files, setFiles] = useState<File[]>();
  const [error, setError] = useState<unknown>();
  const base = path("Run", run, "jobs", job.name, "artifacts");
  useEffect(() => {
    if (open && !files) get<{ items: File[] | null }>(`${base}/index`).then((a) => setFiles(a.items ?? []), setError);
  }, [open]);
  const columns: Column<File>[] = [
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
      {files ? <Table label={t("artifacts")} rows={files} columns={columns} id={(f) => f.path} text={(f) => f.path} /> : null}
    </details>
  );
}
