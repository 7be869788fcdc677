// Where jobs deploy to, what is there now, and a way to stop it or to bring back an older one.
import { useState } from "preact/hooks";
import { t } from "../i18n";
import { path, post } from "../lib/api";
import { dateTime, refName, short } from "../lib/format";
import { NoRows } from "../lib/held";
import { Link, to } from "../lib/router";
import { useStore } from "../lib/store";
import { Action, Ago, Confirm, Empty, State, Table, type Column } from "../lib/ui";
import type { Deployment, Environment } from "../types";
import { Addresses } from "./applications";
import { Fact } from "./run";

const words: Record<string, string> = { available: "Healthy", stopping: "Progressing", stopped: "Skipped" };

export function EnvironmentTable({ rows }: { rows: Environment[] }) {
  const columns: Column<Environment>[] = [
    { head: t("environment"), cell: (e) => <Link href={to("environments", e.metadata.name)}>{e.spec.name}</Link> },
    { head: t("phase"), cell: (e) => <span class={`state is-${words[e.status?.state ?? ""] ?? "Pending"}`}>{state(e)}</span> },
    { head: t("repository"), cell: (e) => <Link href={to("repositories", e.spec.repository)}>{e.spec.repository}</Link>, wide: true },
    { head: t("tier"), cell: (e) => e.status?.tier ?? "", wide: true },
    { head: t("commit"), cell: (e) => <code>{short(e.status?.commit)}</code> },
    { head: t("addresses"), cell: (e) => <Addresses list={e.status?.url ? [e.status.url] : []} />, wide: true },
    { head: t("updated"), cell: (e) => <Ago time={e.status?.deployedAt} /> },
  ];
  return (
    <Table
      label={t("environments")}
      rows={rows}
      columns={columns}
      id={(e) => e.metadata.name}
      text={(e) => `${e.spec.name} ${e.spec.repository} ${e.status?.tier ?? ""} ${e.status?.state ?? ""} ${e.status?.ref ?? ""}`}
    />
  );
}

function state(e: Environment): string {
  switch (e.status?.state) {
    case "available":
      return t("envAvailable");
    case "stopping":
      return t("envStopping");
    case "stopped":
      return t("envStopped");
  }
  return t("Pending");
}

export function Environments() {
  const store = useStore();
  const rows = store.all("Environment").sort((a, b) => a.spec.repository.localeCompare(b.spec.repository) || a.spec.name.localeCompare(b.spec.name));
  return (
    <>
      <h1>{t("environments")}</h1>
      {rows.length ? <EnvironmentTable rows={rows} /> : <NoRows kind="Environment" none={t("noEnvironments")} />}
    </>
  );
}

export function EnvironmentPage({ name }: { name: string }) {
  const store = useStore();
  const [stopping, ask] = useState(false);
  const e = store.one("Environment", name);
  if (!e) return <NoRows kind="Environment" none={t("gone", { name })} />;
  const history = e.status?.history ?? [];
  const columns: Column<Deployment>[] = [
    { head: t("phase"), cell: (d) => <State value={d.phase} /> },
    { head: t("runs"), cell: (d) => <Link href={`${to("runs", d.run)}?job=${encodeURIComponent(d.job)}`}>{d.run}</Link> },
    { head: t("commit"), cell: (d) => <code title={d.commit}>{short(d.commit)}</code> },
    { head: t("branch"), cell: (d) => refName(d.ref ?? ""), wide: true },
    { head: t("by"), cell: (d) => d.by ?? "", wide: true },
    { head: t("age"), cell: (d) => <Ago time={d.at} /> },
    {
      head: "",
      cell: (d) => (d.phase === "Succeeded" ? <Action label={t("redeploy")} run={() => post(path("Environment", name, "redeploy"), { run: d.run })} /> : null),
    },
  ];
  return (
    <>
      <div class="row head">
        <h1>{e.spec.name}</h1>
        <span class={`state is-${words[e.status?.state ?? ""] ?? "Pending"}`}>{state(e)}</span>
        <span class="fill" />
        {e.status?.state === "available" ? (
          <button type="button" class="danger" onClick={() => ask(true)}>
            {t("envStop")}
          </button>
        ) : null}
      </div>
      {stopping ? <Confirm question={t("envStopAsk", { name: e.spec.name })} yes={t("envStop")} run={() => post(path("Environment", name, "stop"))} close={() => ask(false)} /> : null}
      <dl class="facts">
        <Fact name={t("repository")}>
          <Link href={to("repositories", e.spec.repository)}>{e.spec.repository}</Link>
        </Fact>
        <Fact name={t("addresses")}>{e.status?.url ? <Addresses list={[e.status.url]} /> : null}</Fact>
        <Fact name={t("tier")}>{e.status?.tier}</Fact>
        <Fact name={t("commit")}>
          <code>{short(e.status?.commit)}</code>
        </Fact>
        <Fact name={t("stopsBy")}>{e.status?.onStop}</Fact>
        <Fact name={t("stopsAt")}>{e.status?.autoStopAt ? dateTime(e.status.autoStopAt) : ""}</Fact>
      </dl>
      <h2>{t("deployments")}</h2>
      {history.length ? <Table label={t("deployments")} rows={history} columns={columns} id={(d) => `${d.run} ${d.job} ${d.at}`} /> : <Empty>{t("noDeployments")}</Empty>}
    </>
  );
}
