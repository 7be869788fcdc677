// Queries of metrics: /prometheus/api/v1, and what it answers as series and tables.
import { raw } from "../lib/api";
import { type Filter, inPromQL } from "./adhoc";
import type { Column, Data, Series, Table } from "./data";
import { replace, type Scope, value } from "./interpolate";
import type { Target } from "./model";
import { duration, interval, rateInterval, type Range, written } from "./time";

export const mostSeries = 200;

/** Ask is what surrounds a query: when, how finely, and the variables. */
export interface Ask {
  range: Range;
  /** points that there is room for */
  points: number;
  /** milliseconds between two samples of a series */
  scrape: number;
  /** the panel's least interval */
  least: string;
  scope: Scope;
  /** what somebody filters all queries by */
  filters?: Filter[];
  signal: AbortSignal;
}

/** filtersOf a kind of data source. */
export function filtersOf(ask: Ask, kind: string): Filter[] {
  return ask.filters?.filter((f) => f.kind === kind) ?? [];
}

interface Result {
  metric?: Record<string, string>;
  values?: [number, string][];
  value?: [number, string];
}

/** stepOf a query, and the variables that are made of it. */
export function stepOf(ask: Ask, own: string): { step: number; scope: Scope } {
  const least = duration(replace(own || ask.least, ask.scope, "text"));
  const step = interval(ask.range, ask.points, least || ask.scrape);
  const scope = new Map(ask.scope);
  const span = ask.range.to - ask.range.from;
  for (const [name, text] of [
    ["__interval", written(step)],
    ["__interval_ms", String(step)],
    ["__rate_interval", written(rateInterval(step, least || ask.scrape))],
    ["__rate_interval_ms", String(rateInterval(step, least || ask.scrape))],
    ["__range", `${Math.round(span / 1000)}s`],
    ["__range_s", String(Math.round(span / 1000))],
    ["__range_ms", String(span)],
    ["__from", String(ask.range.from)],
    ["__to", String(ask.range.to)],
  ]) scope.set(name, value(text));
  return { step, scope };
}

async function answer(path: string, params: URLSearchParams, signal: AbortSignal): Promise<{ type: string; result: Result[]; warnings: string[] }> {
  const body = (await (await raw(`/prometheus/api/v1/${path}?${params}`, { signal })).json()) as { data?: { resultType?: string; result?: unknown }; warnings?: string[] };
  const type = body.data?.resultType ?? "";
  const result = body.data?.result;
  if (type === "scalar") return { type, result: [{ value: result as [number, string] }], warnings: [] };
  return { type, result: Array.isArray(result) ? (result as Result[]) : [], warnings: body.warnings ?? [] };
}

export function number(text: string): number {
  return text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : Number(text);
}

/** metricName is a series as Prometheus writes it. */
export function metricName(labels: ReadonlyMap<string, string>): string {
  const rest = [...labels].filter(([k]) => k !== "__name__").map(([k, v]) => `${k}="${v}"`);
  const name = labels.get("__name__") ?? "";
  return rest.length || !name ? `${name}{${rest.join(", ")}}` : name;
}

/** legend of a series by the target's template; with __auto by what tells it from the others. */
export function legend(template: string, labels: ReadonlyMap<string, string>, others: ReadonlyMap<string, string>[], expr: string): string {
  if (template === "__auto") {
    if (others.length < 2) return expr;
    const differ = new Map([...labels].filter(([k, v]) => k !== "__name__" && others.some((o) => o.get(k) !== v)));
    return metricName(differ.size ? differ : labels);
  }
  if (!template) return metricName(labels) === "{}" ? expr : metricName(labels);
  const words = template.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, name: string) => labels.get(name) ?? "");
  return words.trim() ? words : legend("", labels, others, expr); // none of its labels is there
}

const labelsOf = (r: Result): ReadonlyMap<string, string> => new Map(Object.entries(r.metric ?? {}));

function table(refId: string, results: Result[], several: boolean): Table {
  const names = [...new Set(results.flatMap((r) => Object.keys(r.metric ?? {})))].filter((n) => n !== "__name__").sort();
  const named = results.some((r) => r.metric && Object.hasOwn(r.metric, "__name__"));
  const keys = named ? ["__name__", ...names] : names;
  const columns: Column[] = [{ name: "Time", kind: "time", refId }, ...keys.map((name) => ({ name, kind: "string" as const, refId })), { name: several ? `Value #${refId}` : "Value", kind: "number", refId }];
  const rows = results.flatMap((r) => {
    const labels = labelsOf(r);
    return (r.values ?? (r.value ? [r.value] : [])).map(([at, v]) => [at * 1000, ...keys.map((k) => labels.get(k) ?? ""), number(v)]);
  });
  return { refId, columns, rows: rows.slice(0, 5000) };
}

/** metrics asks one target. */
export async function metrics(t: Target, several: boolean, ask: Ask): Promise<Data> {
  const { step, scope } = stepOf(ask, t.interval);
  const expr = inPromQL(replace(t.expr, scope, "prometheus").trim(), filtersOf(ask, "prometheus"));
  const data: Data = { series: [], tables: [], lines: [], notes: [] };
  if (!expr) return data;
  const end = Math.floor(ask.range.to / step) * step;
  const start = Math.floor(ask.range.from / step) * step;
  const params = new URLSearchParams({ query: expr, limit: String(mostSeries + 1) });
  if (t.range) {
    params.set("start", String(start / 1000));
    params.set("end", String(end / 1000));
    params.set("step", String(step / 1000));
  } else params.set("time", String(ask.range.to / 1000));
  const got = await answer(t.range ? "query_range" : "query", params, ask.signal);
  const results = got.result.slice(0, mostSeries);
  if (got.result.length > mostSeries) data.notes.push("more");
  if (t.table) data.tables.push(table(t.refId, results, several));
  else {
    const all = results.map(labelsOf);
    data.series = results.map((r, i): Series => {
      const samples = r.values ?? (r.value ? [r.value] : []);
      return {
        name: legend(replace(t.legend, scope, "text"), all[i], all, expr),
        refId: t.refId,
        labels: all[i],
        times: samples.map(([at]) => at * 1000),
        values: samples.map(([, v]) => (v === "NaN" ? null : number(v))),
        step: t.range ? step : 0,
      };
    });
  }
  return data;
}

/** Mark is when something happened. */
export interface Mark {
  time: number;
  end: number;
  title: string;
  color: string;
}

export const mostMarks = 200;

/** labels that say where something was measured, not what happened. */
const around = new Set(["__name__", "job", "instance", "namespace"]);

/** marks are when a query's series are there and not 0, each run of samples once. */
export async function marks(a: { expr: string; name: string; title: string; text: string; color: string; step: string }, ask: Ask): Promise<Mark[]> {
  const { step, scope } = stepOf(ask, a.step);
  const expr = replace(a.expr, scope, "prometheus").trim();
  if (!expr) return [];
  const params = new URLSearchParams({ query: expr, limit: "200", start: String(Math.floor(ask.range.from / step) * (step / 1000)), end: String(ask.range.to / 1000), step: String(step / 1000) });
  const { result } = await answer("query_range", params, ask.signal);
  const out: Mark[] = [];
  for (const r of result) {
    const labels = labelsOf(r);
    const title = [a.title, a.text].filter(Boolean).map((s) => legend(s, labels, [], "")).join(": ") || [...labels].filter(([k]) => !around.has(k)).map(([, v]) => v).join(" ") || a.name;
    let open: Mark | undefined;
    for (const [at, v] of r.values ?? []) {
      const on = number(v) > 0;
      if (open && (!on || at * 1000 - open.end > step * 1.5)) open = undefined;
      if (!on) continue;
      if (open) open.end = at * 1000;
      else {
        open = { time: at * 1000, end: at * 1000, title: title.slice(0, 300), color: a.color };
        out.push(open);
      }
    }
  }
  return out.sort((x, y) => x.time - y.time).slice(-mostMarks);
}
