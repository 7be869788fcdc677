import { t } from "../i18n";
import { path, post } from "../lib/api";
import { address } from "../lib/browse";
import { refName, short } from "../lib/format";
import { NoRows } from "../lib/held";
import { go, Link, to } from "../lib/router";
import { put, useStore } from "../lib/store";
import { Action, Ago, Copy, Empty, State, Table, type Column } from "../lib/ui";
import type { RefStatus, Repository, Run } from "../types";
import { EnvironmentTable } from "./environments";
import { Deliveries, MergeRequests } from "./mergerequests";
import { newestFirst, RunTable } from "./runs";
import { Schedules } from "./schedules";
import { StartRun } from "./start";
import { Variables } from "./variables";

function remote(name: string): string {
  return `${location.origin}/git/${name}.git`;
}

function Badge({ repo, main }: { repo: Repository; main: string }) {
  const { name, namespace } = repo.metadata;
  const at = `/badge/${namespace ?? "default"}/${name}.svg`;
  return (
    <>
      <h2>{t("badge")}</h2>
      <p>
        <img src={at} alt={`pipeline ${main}`} height="20" />
      </p>
      <Copy text={`[![pipeline](${location.origin}${at})](${location.origin}${to("repositories", name)})`} />
      <p class="hint">{t(repo.spec?.publicBadge ? "badgePublic" : "badgePrivate")}</p>
    </>
  );
}

export function Welcome() {
  return (
    <section class="panel">
      <h2>{t("pushNew")}</h2>
      <p>{t("noRepositories")}</p>
      <Copy text={`git remote add slipway ${remote("my-app")}\ngit push slipway main`} />
      <p class="hint">{t("pushHint")}</p>
    </section>
  );
}

function condition(r: Repository): { state: string; message?: string } {
  const c = r.status?.conditions?.find((x) => x.type === "Ready");
  if (!c) return { state: "Pending" };
  return { state: c.status === "True" ? "Healthy" : "Failed", message: c.message };
}

export function Repositories() {
  const store = useStore();
  const rows = store.all("Repository").sort((a, b) => a.metadata.name.localeCompare(b.metadata.name));
  const columns: Column<Repository>[] = [
    { head: t("name"), cell: (r) => <Link href={to("repositories", r.metadata.name)}>{r.metadata.name}</Link> },
    { head: t("phase"), cell: (r) => <State value={condition(r).state} /> },
    { head: t("source"), cell: (r) => r.spec?.url ?? t("hosted"), wide: true },
    { head: t("branch"), cell: (r) => r.status?.defaultBranch ?? "" },
    {
      head: t("updated"),
      cell: (r) => <Ago time={Object.values(r.status?.refs ?? {}).reduce<string | undefined>((m, x) => (!m || x.seen > m ? x.seen : m), undefined)} />,
    },
  ];
  if (!store.loaded("Repository") || store.refused("Repository")) return <NoRows kind="Repository" none="" />;
  return (
    <>
      <h1>{t("repositories")}</h1>
      {rows.length ? <Table label={t("repositories")} rows={rows} columns={columns} id={(r) => r.metadata.name} text={(r) => `${r.metadata.name} ${r.spec?.url ?? ""}`} /> : null}
      <Welcome />
    </>
  );
}

export function RepositoryPage({ name }: { name: string }) {
  const store = useStore();
  const r = store.one("Repository", name);
  if (!r) return <NoRows kind="Repository" none={t("gone", { name })} />;
  const { state, message } = condition(r);
  const refs = Object.entries(r.status?.refs ?? {}).sort(([, a], [, b]) => b.sequence - a.sequence);
  const main = r.status?.defaultBranch ?? "main";
  const start = async (ref: string) => {
    const run = await post<Run>(path("Run"), { repository: name, ref, cause: "manual" });
    put("Run", run);
    go(to("runs", run.metadata.name));
  };
  const columns: Column<[string, RefStatus]>[] = [
    {
      head: t("branch"),
      cell: ([ref]) => (
        <>
          <Link href={address(name, { kind: "tree", ref: refName(ref), path: "", skip: 0 })}>{refName(ref)}</Link> {ref === `refs/heads/${r.status?.defaultBranch}` ? <span class="tag">{t("defaultBranch")}</span> : null}
        </>
      ),
    },
    {
      head: t("commit"),
      cell: ([, s]) => (
        <Link href={address(name, { kind: "commit", commit: s.commit })}>
          <code title={s.commit}>{short(s.commit)}</code>
        </Link>
      ),
    },
    { head: t("by"), cell: ([, s]) => [s.via, s.by].filter(Boolean).join(" · "), wide: true },
    { head: t("note"), cell: ([, s]) => (s.noRun ? t("noRun", { why: s.noRun }) : ""), wide: true },
    { head: t("updated"), cell: ([, s]) => <Ago time={s.seen} /> },
    {
      head: "",
      cell: ([ref]) => (
        <div class="row">
          <Action label={t("startRun")} run={() => start(ref)} />
          {ref !== `refs/heads/${main}` ? <Link href={address(name, { kind: "compare", from: main, to: refName(ref) })}>{t("compare")}</Link> : null}
        </div>
      ),
    },
  ];
  const runs = newestFirst(store.all("Run").filter((x) => x.spec.repository === name));
  const environments = store.all("Environment").filter((e) => e.spec.repository === name);
  return (
    <>
      <div class="row head">
        <h1>{name}</h1>
        <State value={state} />
        <span class="fill" />
        {refs.length ? (
          <>
            <Link href={address(name, { kind: "tree", ref: "", path: "", skip: 0 })}>{t("files")}</Link>
            <Link href={address(name, { kind: "log", ref: "", path: "", skip: 0 })}>{t("history")}</Link>
          </>
        ) : null}
        {r.spec?.url ? <Action label={t("syncNow")} run={() => post(path("Repository", name, "sync"))} /> : null}
      </div>
      {message ? <p class={`notice ${state === "Failed" ? "bad" : ""}`}>{message}</p> : null}
      <section class="panel">
        <h2>{t("cloneIt")}</h2>
        <Copy text={`git clone ${remote(name)}`} />
        {r.spec?.url ? (
          <p class="hint">
            {r.spec.url} {r.status?.lastPolled ? <Ago time={r.status.lastPolled} /> : null}
            {r.status?.polling ? ` · ${t("polledEvery", { every: r.status.polling.every })}` : null}
          </p>
        ) : (
          <>
            <h2>{t("pushIt")}</h2>
            <Copy text={`git remote add slipway ${remote(name)}\ngit push slipway ${main}`} />
            <p class="hint">{t("pushHint")}</p>
          </>
        )}
        <Badge repo={r} main={main} />
      </section>
      <section>
        <h2>{t("branches")}</h2>
        <Table label={t("branches")} rows={refs} columns={columns} id={([ref]) => ref} text={([ref, s]) => `${ref} ${s.commit}`} />
      </section>
      <section class="panel">
        <StartRun repository={name} refs={refs.map(([ref]) => ref)} main={main} />
        <Variables repository={name} />
        <Schedules repository={name} branch={main} />
        <Deliveries repository={name} />
      </section>
      <MergeRequests repo={r} />
      {environments.length ? (
        <section>
          <h2>{t("environments")}</h2>
          <EnvironmentTable rows={environments} />
        </section>
      ) : null}
      <section>
        <h2>{t("runs")}</h2>
        {runs.length ? <RunTable runs={runs} /> : <Empty>{t("noRuns")}</Empty>}
      </section>
    </>
  );
}
