// What fires now, and what was silenced: of the namespace, or of one application.
import { useEffect, useState } from "preact/hooks";
import { t } from "../i18n";
import { ApiError, get, namespace, post, remove } from "../lib/api";
import { dateTime } from "../lib/format";
import { Link, to } from "../lib/router";
import { Action, Ago, Empty, Problem, Table, type Column } from "../lib/ui";
import type { Alert, Silence } from "../types";

const of = (what: string) => `/api/v1/namespaces/${namespace}/${what}`;

/** often enough for rules that are evaluated twice a minute */
const every = 15_000;

/** useList reads a list now, from time to time, and when asked. */
function useList<T>(url: string): { items: T[] | undefined; error: unknown; again: () => void } {
  const [items, setItems] = useState<T[]>();
  const [error, setError] = useState<unknown>();
  const [asked, setAsked] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    const load = () =>
      get<{ items: T[] | null }>(url, abort.signal).then(
        (l) => {
          setItems(l.items ?? []);
          setError(undefined);
        },
        (e: unknown) => {
          if (!abort.signal.aborted) setError(e);
        },
      );
    void load();
    const id = window.setInterval(load, every);
    return () => {
      abort.abort();
      window.clearInterval(id);
    };
  }, [url, asked]);
  return { items, error, again: () => setAsked((n) => n + 1) };
}

/** severe puts what is worst first, and then what fires longest. */
const order = ["critical", "warning", "info"];
export function severe(a: Alert, b: Alert): number {
  const rank = (x: Alert) => (order.indexOf(x.labels.severity ?? "") + order.length + 1) % (order.length + 1);
  return Number(a.state !== "active") - Number(b.state !== "active") || rank(a) - rank(b) || a.startsAt.localeCompare(b.startsAt);
}

/** matchers of a silence for exactly this alert. */
export function matchersOf(a: Alert): string[] {
  return Object.keys(a.labels)
    .sort()
    .map((name) => `${name}=${a.labels[name]}`);
}

const looks: Record<string, string> = { critical: "Failed", warning: "OutOfSync" };

function Fires({ alerts, silenced }: { alerts: Alert[]; silenced: () => void }) {
  const [chosen, setChosen] = useState<Alert>();
  const columns: Column<Alert>[] = [
    { head: t("alert"), cell: (a) => <span class={`state is-${looks[a.labels.severity ?? ""] ?? "Pending"}`}>{a.labels.alertname}</span> },
    { head: t("message"), cell: (a) => a.annotations?.summary ?? a.annotations?.description ?? "" },
    { head: t("applications"), cell: (a) => (a.labels.application ? <Link href={to("applications", a.labels.application)}>{a.labels.application}</Link> : ""), wide: true },
    { head: t("fires"), cell: (a) => <Ago time={a.startsAt} />, wide: true },
    {
      head: "",
      cell: (a) =>
        a.state === "active" ? (
          <button type="button" onClick={() => setChosen(a)}>
            {t("silence")}
          </button>
        ) : (
          <span class="hint">{a.inhibited ? t("inhibited") : t("silenced")}</span>
        ),
    },
  ];
  return (
    <>
      <Table label={t("alerts")} rows={[...alerts].sort(severe)} columns={columns} id={(a) => matchersOf(a).join()} text={(a) => matchersOf(a).join(" ")} />
      {chosen ? <SilenceForm key={matchersOf(chosen).join()} alert={chosen} close={() => setChosen(undefined)} done={silenced} /> : null}
    </>
  );
}

function SilenceForm({ alert, close, done }: { alert: Alert; close: () => void; done: () => void }) {
  const [comment, setComment] = useState("");
  const [hours, setHours] = useState("2");
  const save = async () => {
    await post(of("silences"), { matchers: matchersOf(alert), comment, endsAt: new Date(Date.now() + Number(hours) * 3_600_000).toISOString() });
    done();
    close();
  };
  return (
    <form class="row form" onSubmit={(e) => e.preventDefault()}>
      <strong>{alert.labels.alertname}</strong>
      <select aria-label={t("silenceFor")} value={hours} onChange={(e) => setHours(e.currentTarget.value)}>
        {["1", "2", "8", "24", "168"].map((n) => (
          <option key={n} value={n}>
            {t("hours", { n })}
          </option>
        ))}
      </select>
      <input aria-label={t("why")} placeholder={t("why")} value={comment} onInput={(e) => setComment(e.currentTarget.value)} />
      <Action label={t("silence")} class="primary" run={save} />
      <button type="button" onClick={close}>
        {t("cancel")}
      </button>
    </form>
  );
}

function Silences({ rows, ended }: { rows: Silence[]; ended: () => void }) {
  const columns: Column<Silence>[] = [
    { head: t("silence"), cell: (s) => <code>{s.matchers.join(" ")}</code> },
    { head: t("why"), cell: (s) => s.comment },
    { head: t("by"), cell: (s) => s.createdBy ?? "", wide: true },
    { head: t("until"), cell: (s) => dateTime(s.endsAt), wide: true },
    { head: "", cell: (s) => <Action label={t("endSilence")} run={() => remove(of(`silences/${encodeURIComponent(s.id ?? "")}`))} onDone={ended} /> },
  ];
  return (
    <section>
      <h2>{t("silences")}</h2>
      <Table label={t("silences")} rows={rows} columns={columns} id={(s) => s.id ?? ""} />
    </section>
  );
}

export function AlertsPage() {
  const alerts = useList<Alert>(of("alerts"));
  const silences = useList<Silence>(of("silences"));
  const again = () => {
    alerts.again();
    silences.again();
  };
  const live = (silences.items ?? []).filter((s) => s.state !== "expired");
  return (
    <>
      <h1>{t("alerts")}</h1>
      <Problem error={alerts.error ?? silences.error} />
      {alerts.items?.length ? (
        <Fires alerts={alerts.items} silenced={again} />
      ) : alerts.items ? (
        <p class="notice good" role="status">
          {t("nothingFires")}
        </p>
      ) : alerts.error ? null : (
        <Empty>{t("loading")}</Empty>
      )}
      {live.length ? <Silences rows={live} ended={again} /> : null}
    </>
  );
}

/** AlertsOf is what fires of one application; nothing where nothing does, or for those who may not see it. */
export function AlertsOf({ application }: { application: string }) {
  const { items, error, again } = useList<Alert>(`${of("alerts")}?application=${encodeURIComponent(application)}`);
  if (!items?.length) return error instanceof ApiError && error.status === 403 ? null : <Problem error={error} />;
  return (
    <section>
      <h2>{t("alerts")}</h2>
      <Fires alerts={items} silenced={again} />
    </section>
  );
}
