import { useEffect, useState } from "preact/hooks";
import { t } from "../i18n";
import { ApiError, get, path, post } from "../lib/api";
import { refName, short, span } from "../lib/format";
import { Graph } from "../lib/graphview";
import { LogView } from "../lib/logview";
import { go, Link, to } from "../lib/router";
import { put, useStore } from "../lib/store";
import { Action, Ago, Empty, Problem, State, useNow } from "../lib/ui";
import type { Job, Problem as Fault, Run } from "../types";

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
          <Action label={t("rerun")} run={again} />
        )}
      </div>
      <dl class="facts">
        <Fact name={t("repository")}>
          <Link href={to("repositories", run.spec.repository)}>{run.spec.repository}</Link>
        </Fact>
        <Fact name={t("branch")}>{refName(run.spec.ref)}</Fact>
        <Fact name={t("commit")}>
          <code title={run.spec.commit}>{short(run.spec.commit)}</code>
        </Fact>
        <Fact name={t("cause")}>{[run.spec.cause, run.spec.by].filter(Boolean).join(" · ")}</Fact>
        <Fact name={t("pipeline")}>{run.status?.pipeline}</Fact>
        <Fact name={t("duration")}>{span(run.status?.startedAt, run.status?.finishedAt, now)}</Fact>
        <Fact name={t("age")}>
          <Ago time={run.metadata.creationTimestamp} />
        </Fact>
      </dl>
      {run.status?.message ? <p class={`notice ${phase === "Failed" ? "bad" : ""}`}>{run.status.message}</p> : null}
      <Problems faults={run.status?.problems ?? []} />
      {jobs.length ? <Graph jobs={jobs} selected={selected?.name} now={now} select={(j) => go(`${to("runs", name)}?job=${encodeURIComponent(j)}`, true)} /> : null}
      {selected ? <JobPanel key={selected.name} run={name} job={selected} now={now} /> : null}
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

function JobPanel({ run, job, now }: { run: string; job: Job; now: number }) {
  const log = path("Run", run, "jobs", job.name, "log");
  const began = (job.attempt ?? 0) > 0 && (job.phase !== "Pending" || Boolean(job.startedAt));
  // Each attempt has its own log; a finished one is read without waiting for more.
  const url = began ? `${log}?attempt=${job.attempt}&follow=1` : undefined;
  const notes = [
    job.stage,
    span(job.startedAt, job.finishedAt, now),
    (job.attempt ?? 0) > 1 ? t("attempt", { n: job.attempt ?? 0 }) : "",
    job.exitCode === undefined ? "" : t("exitCode", { code: job.exitCode }),
    job.allowFailure ? t("allowedToFail") : "",
    job.manual && job.phase === "Pending" ? t("manualJob") : "",
  ].filter(Boolean);
  return (
    <section class="panel job">
      <div class="row head">
        <h2>{job.name}</h2>
        <State value={job.phase} />
        <span class="hint">{notes.join(" · ")}</span>
        <span class="fill" />
        {job.manual && job.phase === "Pending" ? <Action label={t("play")} class="primary" run={() => post(path("Run", run, "jobs", job.name, "play"))} /> : null}
        {job.artifacts ? (
          <a href={path("Run", run, "jobs", job.name, "artifacts")} download={`${run}-${job.name}`}>
            {t("artifacts")}
          </a>
        ) : null}
      </div>
      {job.message ? <p class={`notice ${job.phase === "Failed" ? "bad" : ""}`}>{job.message}</p> : null}
      {job.images?.map((i) => (
        <p key={i.name} class="hint">
          {t("images")}: <code>{`${i.name}@${i.digest}`}</code>
        </p>
      ))}
      <LogView url={url} download={`${log}?attempt=${job.attempt ?? 0}`} name={`${run}-${job.name}.log`} waiting={!began} />
    </section>
  );
}
