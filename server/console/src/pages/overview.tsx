import { t } from "../i18n";
import { BoardLink } from "../lib/boardlink";
import { addressOf, useApplications } from "../lib/applist";
import { NoRows } from "../lib/held";
import { Link, to } from "../lib/router";
import { useStore } from "../lib/store";
import { Empty, State } from "../lib/ui";
import { Welcome } from "./repositories";
import { newestFirst, RunTable } from "./runs";

/** shown is how many applications have a card. */
const shown = 24;

export function Overview() {
  const store = useStore();
  const runs = newestFirst(store.all("Run"));
  const active = runs.filter((r) => !r.status?.phase || r.status.phase === "Pending" || r.status.phase === "Running");
  const { page: bad } = useApplications({ failing: true }, shown);
  const { page: all } = useApplications({}, shown);
  const applications = (bad?.total ? bad.items : all?.items) ?? [];
  if (!store.loaded("Repository")) return <Empty>{t("loading")}</Empty>;
  if (!store.all("Repository").length && !runs.length) return store.refused("Repository") ? <NoRows kind="Repository" none="" /> : <Welcome />;
  return (
    <>
      <div class="row head">
        <h1>{t("overview")}</h1>
        <span class="fill" />
        <BoardLink board="namespace" ofNamespace />
      </div>
      <section>
        <h2>{bad?.total ? t("failing") : t("applications")}</h2>
        {bad && all && all.total > 0 ? (
          <p>
            {bad.total ? (
              <Link href={addressOf({ failing: true })}>{t("someFail", { n: bad.total, total: all.total })}</Link>
            ) : (
              <Link href="/applications">{t("nothingFails", { n: all.total })}</Link>
            )}
          </p>
        ) : null}
        {all && !all.total ? <Empty>{t("noApplications")}</Empty> : null}
        <ul class="cards">
          {applications.map((a) => (
            <li key={a.metadata.name} class="panel">
              <Link href={to("applications", a.metadata.name)}>{a.metadata.name}</Link> <State value={a.status?.health ?? "Unknown"} />{" "}
              {a.status?.sync === "Failed" ? <State value="Failed" /> : null}
              <div class="hint" title={a.status?.message}>
                {a.status?.message || (a.status?.current ? `${t("release")} ${a.status.current}` : "")}
              </div>
            </li>
          ))}
        </ul>
      </section>
      <section>
        <h2>{t("running")}</h2>
        {active.length ? <RunTable runs={active} /> : <Empty>{t("nothingRuns")}</Empty>}
      </section>
      <section>
        <h2>{t("recentRuns")}</h2>
        {runs.length ? <RunTable runs={runs.slice(0, 8)} /> : <NoRows kind="Run" none={t("noRuns")} />}
      </section>
    </>
  );
}
