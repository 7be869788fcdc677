import { t } from "../i18n";
import { BoardLink } from "../lib/boardlink";
import { refName, short, span } from "../lib/format";
import { NoRows } from "../lib/held";
import { Link, to } from "../lib/router";
import { moreRuns, olderRuns, useStore } from "../lib/store";
import { Action, Ago, State, Table, useNow, type Column } from "../lib/ui";
import type { Run } from "../types";

export function newestFirst(runs: Run[]): Run[] {
  return runs.sort(
    (a, b) => (b.metadata.creationTimestamp ?? "").localeCompare(a.metadata.creationTimestamp ?? "") || b.spec.sequence - a.spec.sequence,
  );
}

export function RunTable({ runs }: { runs: Run[] }) {
  const now = useNow(runs.some((r) => r.status?.phase === "Running"));
  const columns: Column<Run>[] = [
    { head: t("phase"), cell: (r) => <State value={r.status?.phase} /> },
    {
      head: t("name"),
      cell: (r) => (
        <>
          <Link href={to("runs", r.metadata.name)}>{r.metadata.name}</Link>
          {r.spec.parent ? <span class="hint"> {t("startedByRun", { run: r.spec.parent.run })}</span> : null}
        </>
      ),
    },
    { head: t("branch"), cell: (r) => refName(r.spec.ref) },
    { head: t("commit"), cell: (r) => <code>{short(r.spec.commit)}</code>, wide: true },
    { head: t("by"), cell: (r) => r.spec.by ?? r.spec.cause, wide: true },
    { head: t("duration"), cell: (r) => span(r.status?.startedAt, r.status?.finishedAt, now) },
    { head: t("age"), cell: (r) => <Ago time={r.metadata.creationTimestamp} />, wide: true },
  ];
  return (
    <Table
      label={t("runs")}
      rows={runs}
      columns={columns}
      id={(r) => r.metadata.name}
      text={(r) => `${r.metadata.name} ${r.spec.repository} ${r.spec.ref} ${r.spec.commit} ${r.spec.by ?? ""} ${r.status?.phase ?? ""}`}
    />
  );
}

export function Runs() {
  const store = useStore();
  const runs = newestFirst(store.all("Run"));
  return (
    <>
      <div class="row head">
        <h1>{t("runs")}</h1>
        <span class="fill" />
        <BoardLink board="pipelines" ofNamespace />
      </div>
      {runs.length ? <RunTable runs={runs} /> : <NoRows kind="Run" none={t("noRuns")} />}
      {moreRuns() ? <Action label={t("olderRuns")} run={olderRuns} /> : null}
    </>
  );
}
