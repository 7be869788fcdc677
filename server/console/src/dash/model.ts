// A dashboard as far as the page draws it, copied out of Grafana's JSON. Whoever may
// push to a repository may write one, so nothing of it is taken as it is: members are
// copied one by one, of bounded size and number, and none becomes markup.
import type { DataLink } from "./links";
import { In } from "./json";
import { migrated } from "./migrate";
import { written } from "./adhoc";

export const mostPanels = 400;
const mostTargets = 26;
const mostVariables = 50;
const mostText = 20_000;

export interface Source {
  type: string;
  uid: string;
}

export interface Target {
  refId: string;
  source?: Source;
  hide: boolean;
  /** PromQL, or a query string for lines */
  expr: string;
  legend: string;
  instant: boolean;
  range: boolean;
  table: boolean;
  interval: string;
  /** of a query of lines: what is counted, and by what */
  metrics: In[];
  buckets: In[];
  timeField: string;
}

export interface Panel {
  /** unique on the page */
  key: string;
  id: number;
  type: string;
  title: string;
  about: string;
  grid: { x: number; y: number; w: number; h: number };
  source?: Source;
  targets: Target[];
  options: In;
  defaults: In;
  overrides: { id: string; options: In; properties: { id: string; value: In }[] }[];
  transformations: { id: string; options: In }[];
  interval: string;
  maxDataPoints?: number;
  timeFrom: string;
  timeShift: string;
  repeat: string;
  repeatDown: boolean;
  maxPerRow: number;
  links: DataLink[];
}

/** Section is a row and what is below it; the first may have no title. */
export interface Section {
  key: string;
  title: string;
  collapsed: boolean;
  repeat: string;
  panels: Panel[];
}

export interface Variable {
  name: string;
  label: string;
  type: string;
  about: string;
  hidden: boolean;
  query: In;
  source?: Source;
  regex: string;
  sort: number;
  multi: boolean;
  includeAll: boolean;
  allValue: string;
  options: { text: string; value: string }[];
  current: string[];
}

/** BoardLink leads from the whole dashboard to an address, or to all that have some tags. */
export interface BoardLink extends DataLink {
  tags: string[] | undefined;
  about: string;
  /** the variables and the time go along */
  variables: boolean;
  time: boolean;
}

export interface Annotation {
  name: string;
  source?: Source;
  enable: boolean;
  hidden: boolean;
  color: string;
  /** PromQL, or a query string for lines */
  expr: string;
  /** of lines: the fields of the time and of the words */
  timeField: string;
  textField: string;
  /** Grafana's own, of its alerts */
  builtIn: boolean;
  title: string;
  text: string;
  step: string;
}

export interface Board {
  uid: string;
  title: string;
  about: string;
  from: string;
  to: string;
  refresh: string;
  utc: boolean;
  crosshair: boolean;
  sections: Section[];
  variables: Variable[];
  annotations: Annotation[];
  links: BoardLink[];
  /** panels that are one too many */
  cut: number;
}

const clamp = (v: number | undefined, low: number, high: number, otherwise: number) => Math.min(high, Math.max(low, Math.round(v ?? otherwise)));

function source(v: In): Source | undefined {
  const name = v.str();
  if (name) return { type: "", uid: name }; // older dashboards name it
  const s = { type: v.get("type").str(), uid: v.get("uid").str() };
  return s.type || s.uid ? s : undefined;
}

function target(v: In, i: number): Target {
  const instant = v.get("instant").bool();
  return {
    refId: v.get("refId").str(String.fromCharCode(65 + i), 60),
    source: source(v.get("datasource")),
    hide: v.get("hide").bool(),
    expr: v.get("expr").str("", mostText) || v.get("query").str("", mostText),
    legend: v.get("legendFormat").str(v.get("alias").str()),
    instant,
    range: v.get("range").bool(!instant),
    table: v.get("format").str() === "table",
    interval: v.get("interval").str("", 60),
    metrics: v.get("metrics").list(10),
    buckets: v.get("bucketAggs").list(10),
    timeField: v.get("timeField").str("@timestamp"),
  };
}

/** dataLinks of a panel, or of the values of a field. */
export function dataLinks(v: In): DataLink[] {
  return v.list(20).map((l) => ({ title: l.get("title").str(), url: l.get("url").str("", 2000), blank: l.get("targetBlank").bool() })).filter((l) => l.url);
}

function panel(v: In, key: string): Panel {
  const grid = v.get("gridPos");
  const w = clamp(grid.get("w").num(), 1, 24, 12);
  const { type, options, defaults } = migrated(v);
  return {
    key,
    id: v.get("id").num() ?? 0,
    type,
    title: v.get("title").str(),
    about: v.get("description").str("", 2000),
    grid: { w, h: clamp(grid.get("h").num(), 1, 60, 8), x: clamp(grid.get("x").num(), 0, 24 - w, 0), y: clamp(grid.get("y").num(), 0, 100_000, 0) },
    source: source(v.get("datasource")),
    targets: v.get("targets").list(mostTargets).map(target),
    options,
    defaults,
    overrides: v
      .get("fieldConfig")
      .get("overrides")
      .list(50)
      .map((o) => ({
        id: o.get("matcher").get("id").str(),
        options: o.get("matcher").get("options"),
        properties: o
          .get("properties")
          .list(50)
          .map((p) => ({ id: p.get("id").str(), value: p.get("value") })),
      })),
    transformations: v
      .get("transformations")
      .list(20)
      .filter((t) => !t.get("disabled").bool())
      .map((t) => ({ id: t.get("id").str(), options: t.get("options") })),
    interval: v.get("interval").str("", 60),
    maxDataPoints: v.get("maxDataPoints").num(),
    timeFrom: v.get("timeFrom").str("", 60),
    timeShift: v.get("timeShift").str("", 60),
    repeat: v.get("repeat").str(),
    repeatDown: v.get("repeatDirection").str() === "v",
    maxPerRow: clamp(v.get("maxPerRow").num(), 1, 24, 4),
    links: dataLinks(v.get("links")),
  };
}

/** library is the type of a panel that Grafana keeps beside its dashboards. */
export const library = "library-panel";

/** ofLibrary takes a panel out of the library that an export brings along, where there is one. */
function ofLibrary(v: In, elements: In, key: string): Panel {
  const of = v.get("libraryPanel");
  if (!of.there || v.get("targets").size || v.get("options").size) return panel(v, key);
  const model = elements.get(of.get("uid").str()).get("model");
  const own = panel(v, key);
  const title = own.title || of.get("name").str();
  return model.there ? { ...panel(model, key), id: own.id, grid: own.grid, repeat: own.repeat, repeatDown: own.repeatDown, maxPerRow: own.maxPerRow } : { ...own, type: library, title };
}

/** sectionsOf puts panels below the rows they belong to: what comes after a row, or is folded into it. */
function sectionsOf(list: In[], elements: In): { sections: Section[]; cut: number } {
  const place = (v: In) => (v.get("gridPos").get("y").num() ?? 0) * 100 + (v.get("gridPos").get("x").num() ?? 0);
  const sections: Section[] = [];
  let count = 0;
  let cut = 0;
  const put = (v: In) => {
    if (++count > mostPanels) cut++;
    else sections.at(-1)?.panels.push(ofLibrary(v, elements, `p${count}`));
  };
  const open = (v?: In) => {
    sections.push({ key: `s${sections.length}`, title: v?.get("title").str() ?? "", collapsed: v?.get("collapsed").bool() ?? false, repeat: v?.get("repeat").str() ?? "", panels: [] });
  };
  for (const v of [...list].sort((a, b) => place(a) - place(b))) {
    if (v.get("type").str() === "row") {
      if (sections.length >= mostPanels) continue;
      open(v);
      for (const inner of v.get("panels").list(mostPanels)) put(inner);
    } else {
      // What follows a folded row is not of it: that has its panels within.
      if (!sections.length || sections.at(-1)?.collapsed) open();
      put(v);
    }
  }
  return { sections, cut };
}

function variable(v: In): Variable {
  const type = v.get("type").str("", 60);
  const listed = v
    .get("options")
    .list(1000)
    .map((o) => ({ text: o.get("text").str(o.get("value").str()), value: o.get("value").str("", 1000) }))
    .filter((o) => o.value !== all);
  return {
    name: v.get("name").str("", 100),
    label: v.get("label").str(),
    type,
    about: v.get("description").str("", 1000),
    hidden: v.get("hide").num() === 2 || type === "constant",
    query: v.get("query"),
    source: source(v.get("datasource")),
    regex: v.get("regex").str("", 500),
    sort: v.get("sort").num() ?? 0,
    multi: v.get("multi").bool(),
    includeAll: v.get("includeAll").bool(),
    allValue: v.get("allValue").str("", 2000),
    options: listed,
    current: type === "adhoc" ? v.get("filters").list(50).map((f) => written(f.get("key").str(), f.get("operator").str("="), f.get("value").str("", 1000))) : v.get("current").get("value").strs(200, 1000),
  };
}

/** all is the value that stands for every option. */
export const all = "$__all";

function annotation(v: In): Annotation {
  return {
    name: v.get("name").str(),
    source: source(v.get("datasource")),
    enable: v.get("enable").bool(true),
    hidden: v.get("hide").bool(),
    color: v.get("iconColor").str("", 60),
    expr: [v.get("expr"), v.get("target").get("expr"), v.get("query"), v.get("target").get("query")].map((x) => x.str("", mostText)).find(Boolean) ?? "",
    timeField: v.get("timeField").str(v.get("target").get("timeField").str("@timestamp")) || "@timestamp",
    textField: v.get("textField").str("message") || "message",
    builtIn: v.get("builtIn").num() === 1 || v.get("builtIn").bool(),
    title: v.get("titleFormat").str(),
    text: v.get("textFormat").str(),
    step: v.get("step").str("", 60),
  };
}

function boardLink(v: In): BoardLink {
  return {
    title: v.get("title").str(),
    url: v.get("url").str("", 2000),
    blank: v.get("targetBlank").bool(),
    about: v.get("tooltip").str(),
    tags: v.get("type").str() === "dashboards" ? v.get("tags").strs(20) : undefined,
    variables: v.get("includeVars").bool(),
    time: v.get("keepTime").bool(),
  };
}

/** read copies what is drawn of a dashboard. */
export function read(json: unknown): Board {
  const v = In.of(json);
  const panels = v.get("panels").list(mostPanels * 5);
  const { sections, cut } = sectionsOf(panels, v.get("__elements"));
  const names = new Set<string>();
  return {
    uid: v.get("uid").str("", 60),
    title: v.get("title").str(),
    about: v.get("description").str("", 2000),
    from: v.get("time").get("from").str("now-6h", 60),
    to: v.get("time").get("to").str("now", 60),
    refresh: v.get("refresh").str("", 20),
    utc: v.get("timezone").str() === "utc",
    crosshair: (v.get("graphTooltip").num() ?? 0) > 0,
    sections,
    variables: v
      .get("templating")
      .get("list")
      .list(mostVariables)
      .map(variable)
      .filter((x) => /^\w+$/.test(x.name) && !names.has(x.name) && names.add(x.name)),
    annotations: v.get("annotations").get("list").list(20).map(annotation),
    links: v.get("links").list(20).map(boardLink),
    cut: cut + Math.max(0, v.get("panels").size - panels.length),
  };
}
