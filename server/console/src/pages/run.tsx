import { useEffect, useState } from "preact/hooks";
import { t } from "../i18n";
import { ApiError, get, path, post } from "../lib/api";
import { refName, short, span } from "../lib/format";
import { Graph } from "../lib/graphview";
import { around, LinesLink } from "../lib/loglink";
import { go, Link, to } from "../lib/router";
import { put, useStore } from "../lib/store";
import { Action, Ago, Empty, Problem, State, useNow } from "../lib/ui";
import type { Job, Problem as Fault, Run } from "../types";
import { exposed } from "./artifacts";
import { Compare } from "./compare";
import { JobPanel, Started, testLine } from "./job";
import { RequestLink } from "./mergerequests";

/** interesting is the job whose log is shown first: a failed one, one that runs, the last that ran. */
export function interesting(jobs: Job[]): Job | undefined {
  return (
    jobs.find((j) => j.phase === "Failed" && !j.allowFailure) ??
    jobs.find((j) => j.phase === "Running") ??
    jobs.filter((j) => j.startedAt).sort((a, b) => (b.startedAt ?? "").localeCompare(a.startedAt ?? ""))[0] ??
    jobs[0]
  );
}

export function RunPage({ name, job }: { name: string; job?: string }) {
  const store = useStore();
  const run = store.one("Run", name);
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    get<Run>(path("Run", name)).then(
      (r) => put("Run", r),
      (e: unknown) => setError(e instanceof ApiError && e.status === 404 ? new Error(t("gone", { name })) : e),
    );
  }, [name]);
  const phase = run?.status?.phase ?? "Pending";
  const unfinished = phase === "Pending" || phase === "Running";
  const now = useNow(unfinished);
  if (!run) return error ? <Problem error={error} /> : <Empty>{t("loading")}</Empty>;
  const jobs = run.status?.jobs ?? [];
  const selected = jobs.find((j) => j.name === job) ?? interesting(jobs);
  const failed = jobs.some((j) => (j.phase === "Failed" && !j.allowFailure) || j.phase === "Canceled");
  const again = async () => {
    const r = await post<Run>(path("Run", name, "rerun"));
    put("Run", r);
    go(to("runs", r.metadata.name));
  };
  return (
    <>
      <div class="row head">
        <h1>{name}</h1>
        <State value={phase} />
        <span class="fill" />
        {unfinished ? (
          <Action label={t("cancelRun")} class="danger" run={() => post(path("Run", name, "cancel"))} />
        ) : (
          <>
            {failed ? <Action label={t("rerunFailed")} class="primary" run={() => post(path("Run", name, "rerun"), { failed: true })} /> : null}
            {run.spec.cause === "child" ? null : <Action label={t("rerun")} run={again} />}
          </>
        )}
      </div>
      <dl class="facts">
        <Fact name={t("repository")}>
          <Link href={to("repositories", run.spec.repository)}>{run.spec.repository}</Link>
        </Fact>
        {run.spec.mergeRequest ? (
          <Fact name={t("mergeRequest")}>
            <RequestLink {...run.spec.mergeRequest} /> {run.spec.mergeRequest.fork ? <span class="tag">{t("fork")}</span> : null}
          </Fact>
        ) : (
          <Fact name={t("branch")}>{refName(run.spec.ref)}</Fact>
        )}
        <Fact name={t("commit")}>
          <code title={run.spec.commit}>{short(run.spec.commit)}</code>
        </Fact>
        <Fact name={t("cause")}>{[run.spec.cause, run.spec.schedule, run.spec.by].filter(Boolean).join(" · ")}</Fact>
        <Fact name={t("pipeline")}>{run.status?.pipeline}</Fact>
        <Fact name={t("duration")}>{span(run.status?.startedAt, run.status?.finishedAt, now)}</Fact>
        <Fact name={t("log")}>
          {run.status?.startedAt ? <LinesLink of={{ run: name }} start={around(run.status.startedAt, -5)} end={around(run.status.finishedAt, 60)} /> : null}
        </Fact>
        <Fact name={t("tests")}>{testLine(run.status?.tests)}</Fact>
        <Fact name={t("coverageName")}>{run.status?.coverage ? `${run.status.coverage} %` : ""}</Fact>
        <Fact name={t("exposed")}>
          {jobs.some((j) => j.exposed)
            ? jobs.map((j) =>
                j.exposed ? (
                  <span key={j.name} class="address">
                    <a href={exposed(name, j)} download title={j.name}>
                      {j.exposed.name}
                    </a>
                  </span>
                ) : null,
              )
            : null}
        </Fact>
        <Fact name={t("parentRun")}>
          {run.spec.parent ? (
            <Link href={`${to("runs", run.spec.parent.run)}?job=${encodeURIComponent(run.spec.parent.job)}`}>
              {run.spec.parent.run} · {run.spec.parent.job}
            </Link>
          ) : null}
        </Fact>
        <Fact name={t("childRun")}>
          {run.status?.children?.map((c) => (
            <span key={c} class="address">
              <Started run={c} />
            </span>
          ))}
        </Fact>
        <Fact name={t("age")}>
          <Ago time={run.metadata.creationTimestamp} />
        </Fact>
      </dl>
      {run.status?.message ? <p class={`notice ${phase === "Failed" ? "bad" : ""}`}>{run.status.message}</p> : null}
      {run.status?.approval?.by ? <p class="hint">{t("approvedBy", { who: run.status.approval.by })}</p> : null}
      {run.status?.approval && !run.status.approval.by && unfinished ? (
        <p class="notice warn">
          <Action label={t("approveRun")} class="primary" run={() => post(path("Run", name, "approve"))} />
        </p>
      ) : null}
      {run.status?.queued && unfinished ? <p class="notice warn">{run.status.queued}</p> : null}
      <Problems faults={run.status?.problems ?? []} />
      {jobs.length ? <Graph jobs={jobs} selected={selected?.name} now={now} select={(j) => go(`${to("runs", name)}?job=${encodeURIComponent(j)}`, true)} /> : null}
      <Compare run={run} />
      <Deeds run={run} />
      {selected ? <JobPanel key={selected.name} run={run} job={selected} now={now} /> : null}
    </>
  );
}

export function Fact({ name, children }: { name: string; children: preact.ComponentChildren }) {
  if (!children) return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Problems({ faults }: { faults: Fault[] }) {
  if (!faults.length) return null;
  return (
    <section class="notice bad" role="alert">
      <h2>{t("problems")}</h2>
      <ul class="problems">
        {faults.map((f, i) => (
          <li key={i}>
            {f.file ? (
              <code title={t("problemAt", { file: f.file, line: f.line ?? 0, column: f.column ?? 0 })}>
                {[f.file, f.line, f.column].filter(Boolean).join(":")}
              </code>
            ) : null}{" "}
            {f.message}
            {f.hint ? <div class="hint">{f.hint}</div> : null}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Deeds are what people did to the jobs of the run, newest first. */
function Deeds({ run }: { run: Run }) {
  const deeds = [...(run.spec.actions ?? [])].reverse();
  if (!deeds.length) return null;
  return (
    <details>
      <summary>{t("deeds", { n: deeds.length })}</summary>
      <ul class="problems">
        {deeds.slice(0, 100).map((d, i) => (
          <li key={i}>
            {d.by ?? "?"}: {d.verb} {d.job} · <Ago time={d.at} />
          </li>
        ))}
      </ul>
    </details>
  );
}
