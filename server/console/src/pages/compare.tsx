// What a run's tests and coverage say next to those of the run before on its ref.
import { useEffect, useState } from "preact/hooks";
import { t } from "../i18n";
import { get, path } from "../lib/api";
import { Link, to } from "../lib/router";
import { Problem } from "../lib/ui";
import type { Run } from "../types";

interface JobTest {
  job: string;
  name: string;
  class?: string;
  suite?: string;
  message?: string;
}

interface Comparison {
  coverage?: string;
  previous?: string;
  previousCoverage?: string;
  broken?: JobTest[];
  failing?: JobTest[];
  fixed?: JobTest[];
}

/** Compare shows nothing for a run without tests and coverage, or one that is the first. */
export function Compare({ run }: { run: Run }) {
  const [c, setC] = useState<Comparison>();
  const [error, setError] = useState<unknown>();
  // Asked again whenever a job has reported more.
  const reported = JSON.stringify([run.status?.coverage, run.status?.jobs?.map((j) => j.tests), run.status?.jobs?.map((j) => j.coverage)]);
  const any = run.status?.coverage || run.status?.jobs?.some((j) => j.tests ?? j.coverage);
  useEffect(() => {
    if (any) get<Comparison>(path("Run", run.metadata.name, "tests")).then(setC, setError);
  }, [run.metadata.name, reported]);
  if (error) return <Problem error={error} />;
  if (!c?.previous) return null;
  return (
    <section class="panel" aria-label={t("compared", { run: c.previous })}>
      <h2>
        {t("compared", { run: "" }).trim()} <Link href={to("runs", c.previous)}>{c.previous}</Link>
      </h2>
      {c.coverage && c.previousCoverage ? <p>{t("coverageChange", { now: c.coverage, before: c.previousCoverage })}</p> : null}
      <Group title={t("broken")} tests={c.broken} />
      <Group title={t("stillFailing")} tests={c.failing} />
      <Group title={t("fixed")} tests={c.fixed} />
    </section>
  );
}

function Group({ title, tests }: { title: string; tests?: JobTest[] }) {
  if (!tests?.length) return null;
  return (
    <>
      <h3>
        {title} ({tests.length})
      </h3>
      <ul class="problems">
        {tests.slice(0, 100).map((x) => (
          <li key={`${x.job}/${x.suite ?? ""}/${x.class ?? ""}/${x.name}`}>
            {x.name} <span class="hint">{[x.class ?? x.suite, x.job].filter(Boolean).join(" · ")}</span>
            {x.message ? <pre>{x.message}</pre> : null}
          </li>
        ))}
      </ul>
    </>
  );
}
