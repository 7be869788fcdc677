// What happened to an application: its own events, not those of its objects.
import { useEffect, useState } from "preact/hooks";
import { t } from "../i18n";
import { get, path } from "../lib/api";
import type { ObjectView } from "../lib/tree";
import { Ago, Empty, Problem, Rows, type Column } from "../lib/ui";

type Event = NonNullable<ObjectView["events"]>[number];

/** Happened asks again whenever the state of the application is another. */
export function Happened({ name, state }: { name: string; state: string }) {
  const [events, setEvents] = useState<Event[]>();
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    const abort = new AbortController();
    get<{ items: Event[] | null }>(path("Application", name, "events"), abort.signal).then(
      (l) => {
        setEvents(l.items ?? []);
        setError(undefined);
      },
      (e: unknown) => {
        if (!abort.signal.aborted) setError(e);
      },
    );
    return () => abort.abort();
  }, [name, state]);
  const columns: Column<Event>[] = [
    { head: t("age"), cell: (e) => <Ago time={e.last} /> },
    { head: t("reason"), cell: (e) => <span class={e.type === "Warning" ? "state is-Failed" : undefined}>{e.reason}</span> },
    { head: t("count"), cell: (e) => e.count || 1, wide: true },
    { head: t("message"), cell: (e) => e.message },
  ];
  if (error) return <Problem error={error} />;
  if (!events) return <Empty>{t("loading")}</Empty>;
  return events.length ? <Rows label={t("happened")} rows={events} columns={columns} id={(e) => `${e.last} ${e.reason} ${e.message}`} /> : <Empty>{t("noEvents")}</Empty>;
}
