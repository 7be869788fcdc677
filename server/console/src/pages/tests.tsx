// The test cases that a job reported, failed ones first.
import { useEffect, useState } from "preact/hooks";
import { t } from "../i18n";
import { get, path } from "../lib/api";
import { duration } from "../lib/format";
import { Problem, State, Table, type Column } from "../lib/ui";
import type { Job } from "../types";
import { testLine } from "./job";

export interface Case {
  name: string;
  class?: string;
  suite?: string;
  /** passed, failed, skipped, error */
  status: string;
  seconds?: number;
  message?: string;
  output?: string;
}

/** Report is what the server keeps of all test reports of a job. */
export interface Report {
  cases?: Case[];
  /** there were more cases than are kept */
  cut?: boolean;
}

const order: Record<string, number> = { failed: 0, error: 0, skipped: 1 };

export function worstFirst(cases: Case[]): Case[] {
  return [...cases].sort((a, b) => (order[a.status] ?? 2) - (order[b.status] ?? 2));
}

const words: Record<string, string> = { passed: "Succeeded", failed: "Failed", error: "Failed", skipped: "Skipped" };

export function Cases({ run, job }: { run: string; job: Job }) {
  const bad = (job.tests?.failed ?? 0) + (job.tests?.errors ?? 0) > 0;
  const [open, setOpen] = useState(bad);
  const [cases, setCases] = useState<Case[]>();
  const [cut, setCut] = useState(false);
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    if (open && !cases)
      get<Report>(path("Run", run, "jobs", job.name, "tests")).then((r) => {
        setCases(worstFirst(r.cases ?? []));
        setCut(Boolean(r.cut));
      }, setError);
  }, [open]);
  const columns: Column<Case>[] = [
    { head: t("phase"), cell: (c) => <State value={words[c.status] ?? c.status} /> },
    {
      head: t("testCase"),
      cell: (c) => (
        <>
          {c.name} <span class="hint">{c.class ?? c.suite}</span>
          {c.message || c.output ? <pre>{[c.message, c.output].filter(Boolean).join("\n")}</pre> : null}
        </>
      ),
    },
    { head: t("duration"), cell: (c) => (c.seconds === undefined ? "" : duration(c.seconds * 1000)), wide: true },
  ];
  return (
    <details open={open} onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary>
        {t("tests")}: {testLine(job.tests)}
      </summary>
      <Problem error={error} />
      {cases ? <Table label={t("tests")} rows={cases} columns={columns} id={(c) => `${c.suite ?? ""}/${c.class ?? ""}/${c.name}`} text={(c) => `${c.name} ${c.class ?? ""} ${c.status}`} /> : null}
      {cut ? <p class="hint">{t("testsCut")}</p> : null}
    </details>
  );
}
