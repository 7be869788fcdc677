import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../i18n";
import { ApiError, get, namespace, path, post, raw } from "../lib/api";
import { address } from "../lib/browse";
import { Chart } from "../lib/chart";
import { followed, short, valueOf } from "../lib/format";
import { Link, to } from "../lib/router";
import { put, replace, useStore } from "../lib/store";
import { useTree } from "../lib/tree";
import { Action, Confirm, Empty, Problem, State } from "../lib/ui";
import type { Application, Release } from "../types";
import { AlertsOf } from "./alerts";
import { DeleteDialog, PromoteDialog, Promotions, SyncDialog } from "./appactions";
import { AppForm } from "./appform";
import { Addresses, syncOf } from "./applications";
import { PodLogs } from "./applogs";
import { Conditions, Progress } from "./appstate";
import { DiffText } from "./difftext";
import { Happened } from "./happened";
import { Releases } from "./releases";
import { Fact } from "./run";
import { Tree } from "./tree";

/** Where a chart from elsewhere is kept; it is text, as it is no page. */
function chartOf(app: Application): string {
  const h = app.spec.source.helm;
  return h?.repository ? `${h.repository.replace(/\/$/, "")}/${h.chart ?? ""} ${app.spec.desired?.inputs?.version ?? h.version ?? ""}`.trim() : "";
}

export function ApplicationPage({ name }: { name: string }) {
  const store = useStore();
  const app = store.one("Application", name);
  const releases = store
    .all("Release")
    .filter((r) => r.spec.application === name)
    .sort((a, b) => b.spec.number - a.spec.number);
  const [error, setError] = useState<unknown>();
  const [asked, ask] = useState<Release>();
  const [dialog, setDialog] = useState<"sync" | "promote" | "change" | "delete" | "stop">();
  const [logs, setLogs] = useState(false);
  const [happened, setHappened] = useState(false);
  const tree = useTree(name);
  useEffect(() => {
    const fail = (e: unknown) => setError(e instanceof ApiError && e.status === 404 ? new Error(t("gone", { name })) : e);
    get<Application>(path("Application", name)).then((a) => put("Application", a), fail);
    get<{ items: Release[] | null }>(path("Application", name, "releases")).then(
      (l) => replace("Release", l.items ?? [], (r) => r.spec.application === name),
      fail,
    );
  }, [name, store.opened]);
  const seen = useRef(false);
  if (app) seen.current = true;
  const others = <Link href={to("applications")}>{t("backToList")}</Link>;
  if (!app && seen.current)
    return (
      <Empty>
        {t("gone", { name })} {others}
      </Empty>
    );
  if (!app)
    return error ? (
      <>
        <Problem error={error} />
        {others}
      </>
    ) : (
      <Empty>{t("loading")}</Empty>
    );
  const st = app.status ?? {};
  const newest = releases.find((r) => r.spec.number === st.last);
  return (
    <>
      <div class="row head">
        <h1>{name}</h1>
        <State value={st.health ?? "Unknown"} />
        <State value={syncOf(app)} />
        <span class="fill" />
        <Link href={to("dashboards", "app", namespace, name)}>{t("dashboard")}</Link>
        <button type="button" class="primary" onClick={() => setDialog("sync")}>
          {t("syncButton")}
        </button>
        <Action label={t("refresh")} run={() => post(path("Application", name, "refresh"))} />
        <button type="button" onClick={() => setDialog("promote")}>
          {t("promoteButton")}
        </button>
        <button type="button" onClick={() => setDialog("change")}>
          {t("changeButton")}
        </button>
        <button type="button" class="danger" onClick={() => setDialog("delete")}>
          {t("deleteButton")}
        </button>
      </div>
      {app.spec.pin ? (
        <div class="notice warn row" role="status">
          {t("pinnedTo", { n: app.spec.pin })} {app.spec.pinnedBy ? `${t("by")} ${app.spec.pinnedBy}` : ""} <Action label={t("unpin")} run={() => post(path("Application", name, "unpin"))} />
        </div>
      ) : null}
      {st.unchanged && !app.spec.source.tag && !app.spec.source.semver && !app.spec.source.commit && st.unchanged.sequence > (app.spec.desired?.sequence ?? 0) ? (
        <p class="hint">
          <Link href={address(app.spec.source.repository ?? "", { kind: "commit", commit: st.unchanged.commit })}>
            <code>{short(st.unchanged.commit)}</code>
          </Link>{" "}
          {t("unchangedHere")}
        </p>
      ) : null}
      {st.message && !(app.spec.pin && st.sync === "Pinned") ? (
        <div class={`notice row ${st.sync === "Failed" || st.health === "Degraded" ? "bad" : ""}`}>
          <span class="fill">{st.message}</span>
          {newest?.status?.result === "Progressing" && !app.spec.pin ? (
            <button type="button" onClick={() => setDialog("stop")}>
              {t("stopButton")}
            </button>
          ) : null}
        </div>
      ) : null}
      <Conditions app={app} />
      <dl class="facts">
        <Fact name={t("release")}>{st.current || ""}</Fact>
        <Fact name={t("commit")}>{app.spec.desired ? <code title={app.spec.desired.commit}>{valueOf(app.spec.desired)}</code> : null}</Fact>
        <Fact name={t("repository")}>
          {app.spec.source.repository ? (
            <Link href={to("repositories", app.spec.source.repository)}>{app.spec.source.repository}</Link>
          ) : null}
        </Fact>
        <Fact name={t("follows")}>{followed(app.spec.source) ? <code>{followed(app.spec.source)}</code> : null}</Fact>
        <Fact name={t("chart")}>{chartOf(app) || null}</Fact>
        <Fact name={t("sync")}>{app.spec.sync}</Fact>
        <Fact name={t("goesTo")}>{app.spec.namespace && app.spec.namespace !== namespace ? app.spec.namespace : null}</Fact>
        <Fact name={t("promotedFrom")}>{app.spec.promotion ? <Link href={to("applications", app.spec.promotion.from)}>{app.spec.promotion.from}</Link> : null}</Fact>
        <Fact name={t("needs")}>
          {app.spec.needs?.length
            ? app.spec.needs.map((n) => (
                <span key={n} class="address">
                  <Link href={to("applications", n)}>{n}</Link>
                </span>
              ))
            : null}
        </Fact>
        <Fact name={t("addresses")}>{st.addresses?.length ? <Addresses list={st.addresses} /> : null}</Fact>
      </dl>
      <AlertsOf application={name} />
      <Progress release={newest} />
      <section>
        <h2>{t("objects")}</h2>
        <Tree app={app} nodes={tree.nodes} error={tree.error} />
        {app.spec.desired ? <Diff name={name} /> : null}
      </section>
      <section>
        <h2>{t("releases")}</h2>
        {releases.length ? <Releases app={app} releases={releases} ask={ask} /> : <Empty>{t("noReleases")}</Empty>}
      </section>
      <Promotions name={name} />
      {releases.length ? <Chart app={app} releases={releases} /> : null}
      <details onToggle={(e) => setHappened(e.currentTarget.open)}>
        <summary>{t("happened")}</summary>
        {happened ? <Happened name={name} state={JSON.stringify(st)} /> : null}
      </details>
      <details class="applogs" open={logs} onToggle={(e) => setLogs(e.currentTarget.open)}>
        <summary>{t("logsOfPods")}</summary>
        {logs ? <PodLogs app={name} ns={app.spec.namespace || namespace} pods={(tree.nodes ?? []).filter((n) => n.kind === "Pod" && !n.group)} /> : null}
      </details>
      {dialog === "sync" ? <SyncDialog app={app} nodes={tree.nodes ?? []} close={() => setDialog(undefined)} /> : null}
      {dialog === "promote" ? <PromoteDialog app={app} releases={releases} close={() => setDialog(undefined)} /> : null}
      {dialog === "change" ? <AppForm app={app} close={() => setDialog(undefined)} /> : null}
      {dialog === "delete" ? <DeleteDialog app={app} close={() => setDialog(undefined)} /> : null}
      {dialog === "stop" && newest ? (
        <Confirm
          question={t(st.healthy ? "stopAsk" : "stopFirst", { n: newest.spec.number, healthy: st.healthy ?? 0 })}
          yes={t("stopRelease", { n: newest.spec.number })}
          run={() => post(path("Application", name, "stop"))}
          close={() => setDialog(undefined)}
        />
      ) : null}
      {asked ? (
        <Confirm
          question={t("rollbackAsk", { n: asked.spec.number, commit: valueOf(asked.spec.desired) })}
          yes={t("rollbackTo", { n: asked.spec.number })}
          run={() => post(path("Application", name, "rollback"), { release: asked.spec.number })}
          close={() => ask(undefined)}
        />
      ) : null}
    </>
  );
}

function Diff({ name }: { name: string }) {
  const [text, setText] = useState<string>();
  return (
    <details class="diff">
      <summary>{t("changes")}</summary>
      <Action label={t("showDiff")} run={async () => setText(await (await raw(path("Application", name, "diff"))).text())} />
      {text === undefined ? null : <DiffText text={text} />}
    </details>
  );
}
