// The releases of an application: what each was made of, what it changed, how it went.
import { useState } from "preact/hooks";
import { t } from "../i18n";
import { namespace, path, raw } from "../lib/api";
import { address } from "../lib/browse";
import { short, span, valueOf } from "../lib/format";
import { around, LinesLink } from "../lib/loglink";
import { Link, to } from "../lib/router";
import { Action, Ago, State, Table, useNow, type Column } from "../lib/ui";
import type { Application, Desired, Release } from "../types";
import { DiffText } from "./difftext";
import { Fact } from "./run";

const causes = {
  push: "causePush",
  pipeline: "causePipeline",
  manual: "causeManual",
  inputs: "causeInputs",
  promotion: "causePromotion",
  rollback: "causeRollback",
  revision: "causeRevision",
  generator: "causeGenerator",
} as const;

/** causeOf a value, in words; one that is not known is shown as it is. */
function causeOf(d: Desired): string {
  const cause = d.cause ?? "";
  return cause in causes ? t(causes[cause as keyof typeof causes]) : cause;
}

export function Releases({ app, releases, ask }: { app: Application; releases: Release[]; ask: (r: Release) => void }) {
  const now = useNow(releases.some((r) => r.status?.result === "Progressing"));
  const current = app.status?.current;
  const columns: Column<Release>[] = [
    {
      head: t("release"),
      cell: (r) => (
        <>
          #{r.spec.number} {r.spec.number === app.spec.pin ? <span class="tag warn">{t("Pinned")}</span> : r.spec.number === current ? <span class="tag">{t("current")}</span> : null}
        </>
      ),
    },
    { head: t("result"), cell: (r) => <State value={r.status?.result ?? "Pending"} /> },
    {
      head: t("commit"),
      cell: (r) => (
        <>
          <code title={r.spec.desired.commit}>{valueOf(r.spec.desired)}</code> <span class="clip">{r.spec.subject}</span>
          {r.status?.startedAt && (app.spec.namespace ?? namespace) === namespace ? (
            <>
              {" "}
              <LinesLink of={{ release: r.metadata.name }} start={around(r.status.startedAt, -5)} end={r.status.result === "Failed" ? around(r.status.finishedAt, 300) : undefined} />
            </>
          ) : null}
          <Why release={r} />
          <Made app={app} release={r} />
        </>
      ),
    },
    { head: t("cause"), cell: (r) => causeOf(r.spec.desired), wide: true },
    { head: t("author"), cell: (r) => r.spec.author ?? r.spec.desired.by ?? "", wide: true },
    { head: t("duration"), cell: (r) => span(r.status?.startedAt, r.status?.finishedAt, now), wide: true },
    { head: t("age"), cell: (r) => <Ago time={r.metadata.creationTimestamp} />, wide: true },
    {
      head: "",
      cell: (r) =>
        r.status?.result === "Healthy" && (r.spec.number !== current || app.spec.pin !== r.spec.number) ? (
          <button type="button" aria-label={t("rollbackTo", { n: r.spec.number })} onClick={() => ask(r)}>
            {t("rollback")}
          </button>
        ) : null,
    },
  ];
  return (
    <Table
      label={t("releases")}
      rows={releases}
      columns={columns}
      id={(r) => r.metadata.name}
      text={(r) => `#${r.spec.number} ${r.spec.desired.commit} ${r.spec.desired.revision ?? ""} ${r.spec.subject ?? ""} ${r.spec.author ?? ""} ${r.spec.desired.by ?? ""} ${r.status?.result ?? ""} ${causeOf(r.spec.desired)}`}
    />
  );
}

/** Made says who caused a release, which images it has and of what they were built, and what it changed. */
function Made({ app, release }: { app: Application; release: Release }) {
  const d = release.spec.desired;
  const repository = app.spec.source.repository;
  const [diff, setDiff] = useState<string>();
  const show = async () => setDiff(await (await raw(path("Application", app.metadata.name, "releases", String(release.spec.number), "diff"))).text());
  const commit = (c: string) =>
    repository ? (
      <Link href={address(repository, { kind: "commit", commit: c })}>
        <code>{short(c)}</code>
      </Link>
    ) : (
      <code>{short(c)}</code>
    );
  return (
    <details>
      <summary class="hint">{t("madeOf")}</summary>
      <dl class="facts">
        <Fact name={t("cause")}>{causeOf(d) || null}</Fact>
        <Fact name={t("by")}>{d.by ?? null}</Fact>
        <Fact name={t("author")}>{release.spec.author ?? null}</Fact>
        <Fact name={t("commit")}>{d.commit ? commit(d.commit) : null}</Fact>
        <Fact name={t("runOf")}>{d.run ? <Link href={to("runs", d.run)}>{d.run}</Link> : null}</Fact>
        <Fact name={t("promotions")}>{d.promotion ?? null}</Fact>
      </dl>
      {d.images?.length ? (
        <ul class="problems" aria-label={t("images")}>
          {d.images.map((i) => (
            <li key={i.name}>
              {i.name} <code title={i.digest}>{i.digest.slice(0, 19)}</code> {i.commit ? commit(i.commit) : null} {i.run && i.run !== d.run ? <Link href={to("runs", i.run)}>{i.run}</Link> : null}
            </li>
          ))}
        </ul>
      ) : null}
      {diff === undefined ? <Action label={t("showChanged")} run={show} /> : <DiffText text={diff} none={t("changedNothing")} />}
    </details>
  );
}

/** Why says what went wrong, with what was seen before anything was undone. */
function Why({ release }: { release: Release }) {
  const st = release.status;
  if (!st?.reason && !st?.evidence?.length) return null;
  const reason = `${st.reason || t("evidence")}${st.rolledBackTo ? ` · ${t("putBack", { n: st.rolledBackTo })}` : ""}`;
  if (!st.evidence?.length) return <div>{reason}</div>;
  return (
    <details>
      <summary>{reason}</summary>
      <ul class="evidence" aria-label={t("evidence")}>
        {st.evidence.map((e, i) => (
          <li key={i}>
            <span class="tag">{e.kind}</span> {e.object}{" "}
            {e.object?.startsWith("Pod/") ? <LinesLink of={{ pod: e.object.slice(4) }} start={around(st.startedAt, -5)} end={around(st.finishedAt, 300)} /> : null}
            <pre>{e.text}</pre>
          </li>
        ))}
      </ul>
    </details>
  );
}
