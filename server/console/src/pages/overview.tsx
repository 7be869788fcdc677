import { t } from "../i18n";
import { Link, to } from "../lib/router";
import { useStore } from "../lib/store";
import { Empty, State } from "../lib/ui";
import { Welcome } from "./repositories";
import { newestFirst, RunTable } from "./runs";

export function Overview() {
  const store = useStore();
  const runs = newestFirst(store.all("Run"));
  const active = runs.filter((r) => !r.status?.phase || r.status.phase === "Pending" || r.status.phase === "Running");
  const applications = store.all("Application").sort((a, b) => a.metadata.name.localeCompare(b.metadata.name));
  const bad = applications.filter((a) => a.status?.health === "Degraded" || a.status?.sync === "Failed");
  if (!store.loaded("Repository")) return <Empty>{t("loading")}</Empty>;
  if (!store.all("Repository").length && !runs.length) return <Welcome />;
  return (
    <>
      <h1>{t("overview")}</h1>
      <section>
        <h2>{bad.length ? t("failing") : t("applications")}</h2>
        {applications.length && !bad.length ? <p>{t("allGood")}</p> : null}
        {applications.length ? null : <Empty>{t("noApplications")}</Empty>}
        <ul class="cards">
          {(bad.length ? bad : applications).slice(0, 24).map((a) => (
            <li key={a.metadata.name} class="panel">
              <Link href={to("applications", a.metadata.name)}>{a.metadata.name}</Link> <State value={a.status?.health ?? "Unknown"} />
              <div class="hint">
                {a.status?.current ? `${t("release")} ${a.status.current}` : ""} {a.status?.message ?? ""}
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
        {runs.length ? <RunTable runs={runs.slice(0, 8)} /> : <Empty>{t("noRuns")}</Empty>}
      </section>
    </>
  );
}
