// Runs at given times.
import { useState } from "preact/hooks";
import { t } from "../i18n";
import { path, post, remove } from "../lib/api";
import { dateTime, refName } from "../lib/format";
import { Link, to } from "../lib/router";
import { useStore } from "../lib/store";
import { Action, Table, type Column } from "../lib/ui";
import type { Schedule } from "../types";

export function Schedules({ repository, branch }: { repository: string; branch: string }) {
  const store = useStore();
  const rows = store.all("Schedule").filter((s) => s.spec.repository === repository);
  const columns: Column<Schedule>[] = [
    { head: t("name"), cell: (s) => s.metadata.name },
    { head: t("cron"), cell: (s) => <code>{[s.spec.cron, s.spec.timeZone].filter(Boolean).join(" ")}</code> },
    { head: t("branch"), cell: (s) => refName(s.spec.ref ?? branch), wide: true },
    { head: t("nextTime"), cell: (s) => (s.spec.suspend ? t("suspended") : (s.status?.message ?? dateTime(s.status?.next))) },
    { head: t("lastRun"), cell: (s) => (s.status?.lastRun ? <Link href={to("runs", s.status.lastRun)}>{s.status.lastRun}</Link> : ""), wide: true },
    {
      head: "",
      cell: (s) => (
        <div class="row">
          <Action label={t("runNow")} run={() => post(path("Schedule", s.metadata.name, "run"))} />
          <Action label={s.spec.suspend ? t("resume") : t("suspend")} run={() => post(path("Schedule", s.metadata.name, s.spec.suspend ? "resume" : "suspend"))} />
          <Action label={t("delete")} run={() => remove(path("Schedule", s.metadata.name))} />
        </div>
      ),
    },
  ];
  return (
    <details>
      <summary>
        {t("schedules")} ({rows.length})
      </summary>
      {rows.length ? <Table label={t("schedules")} rows={rows} columns={columns} id={(s) => s.metadata.name} /> : null}
      <NewSchedule repository={repository} branch={branch} />
    </details>
  );
}

function NewSchedule({ repository, branch }: { repository: string; branch: string }) {
  const [name, setName] = useState("");
  const [cron, setCron] = useState("");
  const [zone, setZone] = useState(Intl.DateTimeFormat().resolvedOptions().timeZone);
  const [ref, setRef] = useState("");
  const save = async () => {
    await post(path("Schedule"), { metadata: { name }, spec: { repository, cron, timeZone: zone, ref: ref ? (ref.startsWith("refs/") ? ref : `refs/heads/${ref}`) : "" } });
    setName("");
    setCron("");
  };
  return (
    <form class="row form" onSubmit={(e) => e.preventDefault()}>
      <input aria-label={t("name")} placeholder={t("name")} value={name} onInput={(e) => setName(e.currentTarget.value)} />
      <input aria-label={t("cron")} placeholder="0 4 * * 1-5" value={cron} onInput={(e) => setCron(e.currentTarget.value)} />
      <input aria-label={t("timeZone")} placeholder={t("timeZone")} value={zone} onInput={(e) => setZone(e.currentTarget.value)} />
      <input aria-label={t("branch")} placeholder={branch} value={ref} onInput={(e) => setRef(e.currentTarget.value)} />
      <Action label={t("addSchedule")} class="primary" run={save} />
    </form>
  );
}
