// The page of one dashboard. What was chosen is in its address, so that it can be sent.
import { useEffect, useMemo, useState } from "preact/hooks";
import { t } from "../i18n";
import { get, namespace } from "../lib/api";
import { go, type Place } from "../lib/router";
import { onTheme } from "../lib/theme";
import { Empty, Problem } from "../lib/ui";
import { kindOf } from "./ask";
import { BoardLinks } from "./boardlinks";
import { RefreshChoice, TimeChoice, VariableChoice } from "./controls";
import { patterns } from "./field";
import { replace, type Scope } from "./interpolate";
import { place, sections } from "./layout";
import { marks as lineMarks } from "./lines";
import type { Known as Linked, Listed } from "./links";
import { type Annotation, type Board, type Panel, read, type Section } from "./model";
import { type Around, PanelView } from "./panel";
import { ready } from "./pattern";
import { type Ask, type Mark, marks } from "./prom";
import { duration, rangeOf } from "./time";
import { chooseOf, filtersOf, type Resolved, resolve, valuesOf } from "./variables";

interface Known extends Linked {
  items: (Listed & { grafanaUid?: string })[];
  scrapeSeconds: number;
}

/** routeOf a dashboard: one that ships by its name, app/<namespace>/<name>, or repo/<namespace>/<uid>. */
export function routeOf(parts: string[]): string | undefined {
  const [kind, ns, name] = parts.map(encodeURIComponent);
  if (parts.length === 3 && kind === "app") return `/api/v1/namespaces/${ns}/applications/${name}/dashboard`;
  if (parts.length === 3 && kind === "repo") return `/api/v1/namespaces/${ns}/dashboards/${name}`;
  return parts.length === 1 ? `/api/v1/dashboards/${kind}` : undefined;
}

/** listOf are those that one may lead to: what ships, and what its namespace keeps. */
export function listOf(parts: string[], home = namespace): string {
  return `/api/v1/dashboards?${new URLSearchParams({ source: "shipped,repository,configmap", namespace: parts.length > 1 ? parts[1] : home })}`;
}

/** chosenOf are the variables in an address: var-node=a&var-node=b. */
export function chosenOf(query: URLSearchParams): Map<string, string[]> {
  const out = new Map<string, string[]>();
  for (const [k, v] of [...query].slice(0, 500)) {
    if (k.startsWith("var-")) out.set(k.slice(4), [...(out.get(k.slice(4)) ?? []), v.slice(0, 1000)]);
  }
  return out;
}

export function BoardPage({ place: here }: { place: Place }) {
  const route = routeOf(here.parts.slice(1));
  const [board, setBoard] = useState<Board>();
  const [known, setKnown] = useState<Known>();
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    if (!route) return;
    const abort = new AbortController();
    const load = async () => {
      const [json, list] = await Promise.all([get<unknown>(route, abort.signal), get<Known>(listOf(here.parts.slice(1)), abort.signal)]);
      const b = read(json);
      if (b.variables.some((v) => v.regex) || b.sections.some((s) => s.panels.some(patterns))) await ready();
      if (abort.signal.aborted) return;
      setKnown(list);
      setBoard(b);
    };
    setBoard(undefined);
    setError(undefined);
    load().catch((e: unknown) => abort.signal.aborted || setError(e));
    return () => abort.abort();
  }, [route]);
  if (!route) return <Empty>{t("notFound")}</Empty>;
  if (error) return <Problem error={error} />;
  if (!board || !known) return <Empty>{t("loading")}</Empty>;
  return <Shown key={route} board={board} known={known} here={here} route={route} />;
}

const noScope: Scope = new Map();

function Shown({ board, known, here, route }: { board: Board; known: Known; here: Place; route: string }) {
  const from = here.query.get("from") ?? board.from;
  const to = here.query.get("to") ?? board.to;
  const every = here.query.get("refresh") ?? board.refresh;
  const asked = chosenOf(here.query);
  const key = JSON.stringify([...asked]);
  const scrape = (known.scrapeSeconds || 30) * 1000;
  const [tick, setTick] = useState(0);
  const range = useMemo(() => rangeOf(from, to, Date.now()), [from, to, tick]);
  const [resolved, setResolved] = useState<{ list: Resolved[]; scope: Scope }>();
  const filters = useMemo(() => (resolved ? filtersOf(resolved.list, resolved.scope) : []), [resolved]);
  const [off, setOff] = useState<ReadonlySet<string>>(new Set(board.annotations.filter((a) => !a.enable).map((a) => a.name)));
  const [marked, setMarked] = useState<Mark[]>([]);
  const [error, setError] = useState<unknown>();
  const [, draw] = useState(0);
  useEffect(() => onTheme(() => draw((n) => n + 1)), []); // colours are another for dark

  useEffect(() => {
    const ms = Math.max(5000, duration(every));
    if (!duration(every)) return;
    const id = window.setInterval(() => document.hidden || setTick((n) => n + 1), ms);
    return () => window.clearInterval(id);
  }, [every]);

  useEffect(() => {
    const abort = new AbortController();
    const ask: Ask = { range, points: 500, scrape, least: "", scope: noScope, signal: abort.signal };
    resolve(board.variables, asked, namespace, ask).then(
      (r) => abort.signal.aborted || setResolved(r),
      (e: unknown) => abort.signal.aborted || setError(e),
    );
    return () => abort.abort();
  }, [board, key, from, to]);

  const kind = (a: Annotation) => kindOf(a.source, resolved?.scope ?? noScope);
  const marking = (a: Annotation) => Boolean(a.expr) && ["prometheus", "elasticsearch"].includes(kind(a));
  const wanted = board.annotations.filter((a) => marking(a) && !off.has(a.name));
  useEffect(() => {
    if (!resolved) return;
    const abort = new AbortController();
    const ask: Ask = { range, points: 300, scrape, least: "", scope: resolved.scope, signal: abort.signal };
    Promise.all(wanted.map((a) => (kind(a) === "elasticsearch" ? lineMarks(a, ask) : marks(a, ask)))).then(
      (all) => abort.signal.aborted || setMarked(all.flat()),
      () => undefined, // marks are beside the point: the panels say what is wrong
    );
    return () => abort.abort();
  }, [resolved, range, off]);

  // What is looked at is a step that one may go back from; how often is not.
  const change = (values: [string, string[]][], replace = false) => {
    const q = new URLSearchParams(here.query);
    for (const [name, list] of values) {
      q.delete(name);
      for (const v of list) q.append(name, v);
    }
    go(`${location.pathname}?${q}`, replace, true);
  };
  const uid = here.parts[1] === "app" ? board.uid : known.items.find((i) => i.uid === board.uid)?.grafanaUid;
  const grafana = (panel?: Panel): string | undefined => {
    if (!known.grafana || !uid) return undefined;
    const q = new URLSearchParams({ from, to });
    for (const [name, list] of asked) for (const v of list) q.append(`var-${name}`, v);
    if (panel?.id) q.set("viewPanel", String(panel.id));
    return `${known.grafana.replace(/\/$/, "")}/d/${encodeURIComponent(uid)}?${q}`;
  };
  const around = useMemo(
    (): Around => ({
      range,
      scope: resolved?.scope ?? noScope,
      scrape,
      marks: marked,
      utc: board.utc,
      crosshair: board.crosshair,
      filters,
      known,
      zoom: (a, b) => change([["from", [String(a)]], ["to", [String(b)]]]),
      elsewhere: grafana,
    }),
    [range, resolved, marked, filters, here.query],
  );
  return (
    <div class="board">
      <div class="row head">
        <h1>{board.title}</h1>
        <span class="fill" />
        {grafana() ? (
          <a href={grafana()} target="_blank" rel="noopener noreferrer">
            {t("openInGrafana")}
          </a>
        ) : null}
        <a href={route} download={`${board.uid || "dashboard"}.json`}>
          JSON
        </a>
      </div>
      {board.about ? <p class="hint">{board.about}</p> : null}
      <BoardLinks links={board.links} scope={resolved?.scope ?? noScope} range={range} known={known} own={board.uid} asked={here.query} />
      <div class="row tools" role="group" aria-label={t("choices")}>
        {(resolved?.list ?? []).map((r) => (
          <VariableChoice key={r.variable.name} r={{ ...r, values: chooseOf(r.variable, r.options, asked.get(r.variable.name), namespace) }} choose={(values) => change([[`var-${r.variable.name}`, values]])} values={(v, label) => valuesOf(v, label, { range, points: 500, scrape, least: "", scope: resolved?.scope ?? noScope, signal: new AbortController().signal })} />
        ))}
        {board.annotations
          .filter((a) => !a.hidden && !a.builtIn && !marking(a))
          .map((a) => (
            <span key={a.name} class="tag" title={t("marksElsewhere", { source: kind(a) })}>
              {a.name}: {t("marksElsewhere", { source: kind(a) })}
            </span>
          ))}
        {board.annotations
          .filter((a) => marking(a) && !a.hidden)
          .map((a) => (
            <label key={a.name}>
              <input type="checkbox" checked={!off.has(a.name)} onChange={() => setOff(new Set(off.has(a.name) ? [...off].filter((n) => n !== a.name) : [...off, a.name]))} /> {a.name}
            </label>
          ))}
        <span class="fill" />
        <TimeChoice from={from} to={to} choose={(a, b) => change([["from", [a]], ["to", [b]]])} />
        <RefreshChoice every={every} choose={(r) => change([["refresh", [r]]], true)} now={() => setTick((n) => n + 1)} />
      </div>
      <Problem error={error} />
      {board.cut ? <p class="notice warn">{t("panelsCut", { n: board.cut })}</p> : null}
      {resolved ? sections(board.sections, resolved.scope).map((s) => <Row key={s.section.key} section={s.section} scope={s.scope} around={around} />) : <Empty>{t("loading")}</Empty>}
    </div>
  );
}

function Row({ section, scope, around }: { section: Section; scope: Scope; around: Around }) {
  const [open, setOpen] = useState(!section.collapsed);
  const placed = useMemo(() => place(section.panels, scope), [section.panels, scope]);
  const title = replace(section.title, scope, "text");
  return (
    <section aria-label={title || undefined}>
      {title || section.collapsed ? (
        <h2>
          <button type="button" class="fold" aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? "▾" : "▸"} {title} {open ? null : <span class="hint">{t("panelsWithin", { n: section.panels.length })}</span>}
          </button>
        </h2>
      ) : null}
      {open ? (
        <div class="grid">
          {placed.map((p) => (
            <Within key={p.panel.key} panel={p.panel} scope={p.scope} around={around} />
          ))}
        </div>
      ) : null}
    </section>
  );
}

/** Within gives a panel the variables of its place. */
function Within({ panel, scope, around }: { panel: Panel; scope: Scope; around: Around }) {
  const own = useMemo(() => (scope === around.scope ? around : { ...around, scope }), [around, scope]);
  return <PanelView panel={panel} around={own} />;
}
