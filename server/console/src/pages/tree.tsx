// The objects of an application as a tree with live health, and one of them in full.
import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../i18n";
import { get, namespace, path } from "../lib/api";
import { around, LinesLink } from "../lib/loglink";
import { go, to, usePlace } from "../lib/router";
import { branches, keyOf, queryOf, type ObjectView, type TreeNode } from "../lib/tree";
import { Ago, Empty, Problem, Rows, State, type Column } from "../lib/ui";
import { DiffText } from "./difftext";
import { PodLogs } from "./applogs";
import type { Application } from "../types";

export function Tree({ app, nodes, error }: { app: Application; nodes?: TreeNode[]; error?: unknown }) {
  const name = app.metadata.name;
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const [words, setWords] = useState("");
  const key = usePlace().query.get("object") ?? "";
  const [limit, setLimit] = useState(200);
  const open = (o?: TreeNode) => go(o ? `${to("applications", name)}?object=${encodeURIComponent(keyOf(o))}` : to("applications", name), true);
  const toggle = (id: string) => setClosed(closed.has(id) ? new Set([...closed].filter((c) => c !== id)) : new Set([...closed, id]));
  const all = branches(nodes ?? [], words ? new Set() : closed);
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const found = wanted.length ? all.filter((b) => wanted.every((w) => `${b.node.kind}/${b.node.name} ${b.node.health} ${b.node.message ?? ""}`.toLowerCase().includes(w))) : all;
  const shown = found.slice(0, limit);
  return (
    <>
      <Problem error={error} />
      {(nodes?.length ?? 0) > 8 ? <input type="search" class="filter" placeholder={t("filter")} aria-label={t("filterObjects")} value={words} onInput={(e) => setWords(e.currentTarget.value)} /> : null}
      {nodes?.length ? (
        <ul class="tree" role="tree" aria-label={t("objects")}>
          {shown.map(({ node, depth, below }) => (
            <li key={node.id} role="treeitem" aria-level={depth + 1} aria-expanded={below ? !closed.has(node.id) : undefined} aria-selected={keyOf(node) === key}>
              <span class={`indent depth-${Math.min(depth, 6)}`}>
                {below ? (
                  <button type="button" class="fold" aria-label={t(closed.has(node.id) ? "unfoldObject" : "foldObject", { name: node.name })} onClick={() => toggle(node.id)}>
                    {closed.has(node.id) ? "▸" : "▾"}
                  </button>
                ) : (
                  <span class="fold" />
                )}
              </span>
              <button type="button" class="object" data-object={keyOf(node)} onClick={() => open(keyOf(node) === key ? undefined : node)}>
                <span class="kind">{node.kind}</span> <span class="name">{node.name}</span>
              </button>
              <State value={node.health ?? "Unknown"} />
              {node.info ? <span class="hint">{node.info}</span> : null}
              {closed.has(node.id) && below ? <span class="tag">{t("moreBelow", { n: below })}</span> : null}
              {node.hook ? <span class="tag">{t("hook")}</span> : null}
              {node.drifted ? <span class="tag warn">{t("changedByOthers")}</span> : null}
              {node.extra ? <span class="tag warn">{t(node.extra === "confirm" ? "waitsForPrune" : "leftTheSet")}</span> : null}
              <span class="hint wide">
                <Ago time={node.created} />
              </span>
              {node.message ? <span class="hint clip">{node.message}</span> : null}
            </li>
          ))}
        </ul>
      ) : (
        <Empty>{nodes ? t("noObjects") : error ? "" : t("loading")}</Empty>
      )}
      {found.length > shown.length ? (
        <button type="button" onClick={() => setLimit(limit + 500)}>
          {t("showMore", { n: found.length - shown.length })}
        </button>
      ) : null}
      {queryOf(key) ? <ObjectPanel key={key} app={app} object={key} live={nodes?.find((n) => keyOf(n) === key)} close={() => open()} /> : null}
    </>
  );
}

const views = ["live", "desired", "difference", "events", "logs"] as const;
type Shown = (typeof views)[number];
const titles = { live: "liveState", desired: "desiredState", difference: "difference", events: "events", logs: "logs" } as const;

/** One object: what is, what should be, what differs, its events, and the log of a pod. */
function ObjectPanel({ app, object, live, close }: { app: Application; object: string; live?: TreeNode; close: () => void }) {
  const [view, setView] = useState<ObjectView>();
  const [error, setError] = useState<unknown>();
  const [chosen, choose] = useState<Shown>("live");
  // Read again when the tree says that something about it is another by now.
  const state = JSON.stringify(live ?? null);
  useEffect(() => {
    const abort = new AbortController();
    get<ObjectView>(`${path("Application", app.metadata.name, "object")}?${queryOf(object)}`, abort.signal).then(
      (v) => {
        setView(v);
        setError(undefined);
      },
      (e: unknown) => {
        if (!abort.signal.aborted) setError(e);
      },
    );
    return () => abort.abort();
  }, [object, state]);
  const panel = useRef<HTMLElement>(null);
  useEffect(() => panel.current?.scrollIntoView({ block: "nearest" }), [object]);
  const [, kind, , ...rest] = object.split("/");
  const offered = views.filter((v) => (v === "desired" || v === "difference" ? view?.desired : v === "logs" ? kind === "Pod" : true));
  const columns: Column<NonNullable<ObjectView["events"]>[number]>[] = [
    { head: t("age"), cell: (e) => <Ago time={e.last} /> },
    { head: t("kind"), cell: (e) => e.type, wide: true },
    { head: t("reason"), cell: (e) => e.reason },
    { head: t("count"), cell: (e) => e.count || 1, wide: true },
    { head: t("message"), cell: (e) => e.message },
  ];
  const pod = kind === "Pod" && (view?.namespace ?? namespace) === namespace ? rest[rest.length - 1] : undefined;
  // An event of a pod leads to what the pod said about then.
  if (pod) columns.push({ head: t("log"), cell: (e) => <LinesLink of={{ pod }} start={around(e.last, -300)} end={around(e.last, 300)} /> });
  return (
    <section ref={panel} class="panel" aria-label={`${kind}/${rest.join("/")}`}>
      <div class="row head">
        <h2>
          {kind}/{rest.join("/")}
        </h2>
        <State value={view?.health ?? live?.health ?? "Unknown"} />
        <span class="fill" />
        {pod ? <LinesLink of={{ pod }} start={around(live?.created, -5)} /> : null}
        <button type="button" onClick={close}>
          {t("close")}
        </button>
      </div>
      <div class="row" role="tablist">
        {offered.map((v) => (
          <button key={v} type="button" role="tab" aria-selected={chosen === v} aria-pressed={chosen === v} onClick={() => choose(v)}>
            {t(titles[v])}
            {v === "events" && view?.events?.length ? ` (${view.events.length})` : ""}
          </button>
        ))}
      </div>
      <Problem error={error} />
      {view?.problem ? <p class="notice bad">{view.problem}</p> : null}
      {!view ? <Empty>{error ? "" : t("loading")}</Empty> : null}
      {view && chosen === "live" ? view.live ? <pre class="yaml" tabIndex={0}>{view.live}</pre> : <Empty>{t("NotFound")}</Empty> : null}
      {view && chosen === "desired" ? <pre class="yaml" tabIndex={0}>{view.desired}</pre> : null}
      {view && chosen === "difference" ? (
        <>
          {view.change?.managers?.length ? <p class="hint">{t("changedBy", { who: view.change.managers.join(", ") })}</p> : null}
          <DiffText text={view.change?.diff ?? ""} />
        </>
      ) : null}
      {view && chosen === "events" ? (
        view.events?.length ? <Rows label={t("events")} rows={view.events} columns={columns} id={(e) => `${e.last} ${e.reason} ${e.message}`} /> : <Empty>{t("noEvents")}</Empty>
      ) : null}
      {view && chosen === "logs" ? <PodLogs ns={view.namespace ?? namespace} pods={[view]} app="" /> : null}
    </section>
  );
}
