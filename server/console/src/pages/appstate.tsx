// What an application waits for, what others do to it, and how far a release is.
import { t } from "../i18n";
import { dateTime } from "../lib/format";
import { Ago, Rows, State, type Column } from "../lib/ui";
import type { Application, Release } from "../types";

/** notes are the conditions that a person should see: those that hold, but for what is as it should be, and what was not found. */
export function notes(app: Application): { type: string; message: string }[] {
  const usual = new Set(["Applied", "Ready"]);
  const stands = (c: { type: string; status: string }) => {
    if (c.type === "NeedsMet") return c.status === "False" && !app.status?.waiting;
    return c.type.endsWith("Found") ? c.status === "False" : c.status === "True";
  };
  return (app.status?.conditions ?? []).filter((c) => stands(c) && !usual.has(c.type)).map((c) => ({ type: c.type, message: c.message ?? "" }));
}

export function Conditions({ app }: { app: Application }) {
  const st = app.status ?? {};
  const drift = st.drift ?? [];
  const healed = drift.filter((d) => d.healed && d.lastSeen);
  return (
    <>
      {st.waiting ? (
        <p class="notice warn">
          {t("waits")} {st.waiting.message} {st.waiting.until ? t("waitsUntil", { when: dateTime(st.waiting.until) }) : ""}
        </p>
      ) : null}
      {notes(app).map((n) => (
        <p key={n.type} class="notice warn">
          <strong>{n.type}</strong> {n.message}
        </p>
      ))}
      {healed.length ? (
        <details>
          <summary>{t("putRight", { n: healed.length })}</summary>
          <ul>
            {healed.map((d) => (
              <li key={`${d.kind}/${d.name}`}>
                {d.kind}/{d.name} {d.missing ? t("wasDeleted") : (d.fields ?? []).join(", ")} {d.managers?.length ? t("changedBy", { who: d.managers.join(", ") }) : ""} <Ago time={d.lastSeen} />
              </li>
            ))}
          </ul>
        </details>
      ) : null}
      {app.spec.windows?.length ? (
        <details>
          <summary>{t("windows", { n: app.spec.windows.length })}</summary>
          <ul>
            {app.spec.windows.map((w, i) => (
              <li key={i}>
                <span class="tag">{t(w.kind === "deny" ? "windowDeny" : "windowAllow")}</span> <code>{w.schedule}</code> {w.duration} {w.timeZone ?? "UTC"} {w.manual ? t("windowManual") : ""}
              </li>
            ))}
          </ul>
        </details>
      ) : null}
    </>
  );
}

type Hook = NonNullable<NonNullable<NonNullable<Release["status"]>["sync"]>["hooks"]>[number];

/** Progress of the newest release: its step, its hooks, and fields that it took from others. */
export function Progress({ release }: { release?: Release }) {
  const st = release?.status;
  if (!release || !st || (!st.sync?.phase && !st.sync?.hooks?.length && !st.conflicts?.length)) return null;
  const columns: Column<Hook>[] = [
    { head: t("hook"), cell: (h) => `${h.kind}/${h.name}` },
    { head: t("step"), cell: (h) => `${h.phase ?? ""} ${h.wave ?? 0}` },
    { head: t("phase"), cell: (h) => <State value={h.state} /> },
    { head: t("message"), cell: (h) => h.message ?? "", wide: true },
  ];
  return (
    <section>
      {st.result === "Progressing" && st.sync?.phase ? <p class="notice">{t("stepOf", { n: release.spec.number, phase: st.sync.phase, wave: st.sync.wave ?? 0 })}</p> : null}
      {st.sync?.hooks?.length ? <h2>{t("hooksOf", { n: release.spec.number })}</h2> : null}
      {st.sync?.hooks?.length ? <Rows label={t("hooks")} rows={st.sync.hooks} columns={columns} id={(h) => `${h.kind}/${h.name}/${h.phase}`} /> : null}
      {st.conflicts?.length ? (
        <details>
          <summary>{t("taken", { n: st.conflicts.length })}</summary>
          <ul>
            {st.conflicts.map((c, i) => (
              <li key={i}>
                {c.object} {(c.fields ?? []).join(", ")} {t("changedBy", { who: c.manager })}
              </li>
            ))}
          </ul>
        </details>
      ) : null}
    </section>
  );
}
