// One job of a run: what can be done with it, what it left, and its log.
import { useState } from "preact/hooks";
import { t } from "../i18n";
import { path, post } from "../lib/api";
import { dateTime, span } from "../lib/format";
import { around, LinesLink, ofJob } from "../lib/loglink";
import { LogView } from "../lib/logview";
import { Link, to } from "../lib/router";
import { useStore } from "../lib/store";
import { Action, Confirm, State } from "../lib/ui";
import type { Job, Run, Tests } from "../types";
import { Files } from "./artifacts";
import { Cases } from "./tests";

/** can says which verbs make sense for a job as it stands. */
export function can(job: Job): { play: boolean; unplay: boolean; cancel: boolean; retry: boolean } {
  const waits = job.phase === "Pending";
  return {
    play: waits && Boolean(job.manual || job.startAt),
    unplay: waits && Boolean(job.startAt),
    cancel: job.phase === "Running",
    retry: job.phase === "Failed" || job.phase === "Canceled" || job.phase === "Succeeded",
  };
}

export function testLine(tests: Tests | undefined): string {
  if (!tests) return "";
  const bad = tests.failed + tests.errors;
  return bad ? t("testsFailed", { bad, total: tests.total }) : t("testsPassed", { total: tests.total - tests.skipped, skipped: tests.skipped });
}

export function JobPanel({ run, job, now }: { run: Run; job: Job; now: number }) {
  const name = run.metadata.name;
  const newest = job.attempt ?? 0;
  const [chosen, choose] = useState(0);
  const attempt = chosen || newest;
  const log = path("Run", name, "jobs", job.name, "log");
  const began = newest > 0 && (job.phase !== "Pending" || Boolean(job.startedAt));
  // Each attempt has its own log; a finished one is read without waiting for more.
  const url = began || attempt < newest ? `${log}?attempt=${attempt}&follow=1` : undefined;
  const old = job.attempts?.find((a) => a.number === attempt && a.number !== newest);
  const shown = old ?? job;
  const notes = [
    job.stage,
    span(shown.startedAt, shown.finishedAt, now),
    shown.exitCode === undefined ? "" : t("exitCode", { code: shown.exitCode }),
    job.allowFailure ? t("allowedToFail") : "",
    job.manual && job.phase === "Pending" ? t("manualJob") : "",
    job.startAt && job.phase === "Pending" ? t("startsAt", { when: dateTime(job.startAt) }) : "",
    job.by ? t("startedBy", { who: job.by }) : "",
    job.approvedBy ? t("approvedBy", { who: job.approvedBy }) : "",
    job.coverage ? t("coverage", { percent: job.coverage }) : "",
    testLine(job.tests),
  ].filter(Boolean);
  return (
    <section class="panel job">
      <div class="row head">
        <h2>{job.name}</h2>
        <State value={shown.phase} />
        <span class="hint">{notes.join(" · ")}</span>
        <span class="fill" />
        {newest > 1 ? (
          <select aria-label={t("attempts")} value={attempt} onChange={(e) => choose(Number(e.currentTarget.value))}>
            {Array.from({ length: newest }, (_, i) => newest - i).map((n) => (
              <option key={n} value={n}>
                {t("attempt", { n })}
              </option>
            ))}
          </select>
        ) : null}
        {shown.startedAt ? <LinesLink of={ofJob(name, job.name)} start={around(shown.startedAt, -5)} end={around(shown.finishedAt, 60)} /> : null}
        <Verbs run={name} job={job} />
      </div>
      {shown.message ? <p class={`notice ${shown.phase === "Failed" ? "bad" : ""}`}>{shown.message}</p> : null}
      <Left job={job} child={shown.child} />
      {job.tests ? <Cases key={`${job.name} ${newest}`} run={name} job={job} /> : null}
      {job.artifacts ? <Files run={name} job={job} /> : null}
      <LogView key={attempt} url={url} download={`${log}?attempt=${attempt}`} name={`${name}-${job.name}.log`} waiting={!url} />
    </section>
  );
}

/** Started links to a run that a job started, with how it goes where that is known. */
export function Started({ run }: { run: string }) {
  const phase = useStore().one("Run", run)?.status?.phase;
  return (
    <>
      <Link href={to("runs", run)}>{run}</Link> {phase ? <State value={phase} /> : null}
    </>
  );
}

/** Left is what a job made: images, a deployment, another run. */
function Left({ job, child }: { job: Job; child?: string }) {
  const web = job.environmentURL && /^https?:\/\//.test(job.environmentURL);
  return (
    <>
      {job.images?.map((i) => (
        <p key={i.name} class="hint">
          {t("images")}: <code>{`${i.name}@${i.digest}`}</code>
        </p>
      ))}
      {job.environment ? (
        <p class="hint">
          {t("environment")}: {job.environment}{" "}
          {web ? (
            <a href={job.environmentURL} target="_blank" rel="noopener noreferrer">
              {job.environmentURL}
            </a>
          ) : (
            job.environmentURL
          )}
        </p>
      ) : null}
      {child ? (
        <p class="hint">
          {t("childRun")}: <Started run={child} />
        </p>
      ) : null}
    </>
  );
}

function Verbs({ run, job }: { run: string; job: Job }) {
  const [asking, ask] = useState<"play" | "from">();
  const may = can(job);
  const close = () => ask(undefined);
  // A job that asks for approval starts once somebody has read what it asks.
  const question = job.approvedBy ? undefined : job.confirmation;
  const act = (verb: string) => () => post(path("Run", run, "jobs", job.name, verb));
  return (
    <>
      {may.play && !question ? <Action label={t("play")} class="primary" run={act("play")} /> : null}
      {may.play && question ? (
        <button type="button" class="primary" onClick={() => ask("play")}>
          {t("play")}
        </button>
      ) : null}
      {may.unplay ? <Action label={t("unplay")} run={act("unplay")} /> : null}
      {may.cancel ? <Action label={t("cancelJob")} class="danger" run={act("cancel")} /> : null}
      {may.retry ? <Action label={t("retryJob")} run={act("retry")} /> : null}
      {may.retry ? (
        <button type="button" onClick={() => ask("from")}>
          {t("rerunFrom")}
        </button>
      ) : null}
      {asking === "play" && question ? (
        <Confirm question={question} yes={t("approveAndStart")} run={() => post(path("Run", run, "jobs", job.name, "play"), { approve: true })} close={close} />
      ) : null}
      {asking === "from" ? (
        <Confirm question={t("rerunFromAsk", { job: job.name })} yes={t("rerunFrom")} run={() => post(path("Run", run, "rerun"), { from: job.name })} close={close} />
      ) : null}
    </>
  );
}
