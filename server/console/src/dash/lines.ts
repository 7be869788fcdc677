// Queries of lines: the Elasticsearch API of the log store at /elastic, asked as
// Grafana's data source asks.
import { strip } from "../lib/ansi";
import { raw } from "../lib/api";
import { inLucene } from "./adhoc";
import type { Column, Data, Line, Table } from "./data";
import { replace, type Scope } from "./interpolate";
import { In } from "./json";
import type { Annotation, Target } from "./model";
import { type Ask, filtersOf, type Mark, mostMarks, mostSeries, stepOf } from "./prom";
import { duration } from "./time";

const index = "logs-*";
const mostLines = 1000;

async function search(body: unknown, signal: AbortSignal): Promise<In> {
  const res = await raw(`/elastic/${index}/_search`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal }, true);
  return In.of(await res.json());
}

interface Bucketed {
  type: "terms" | "date_histogram" | "filters" | "histogram";
  id: string;
  body: Record<string, unknown>;
  field: string;
}

/** buckets are the target's, as far as they are known. */
function buckets(t: Target, ask: Ask, step: number): { known: Bucketed[]; unknown: string[] } {
  const known: Bucketed[] = [];
  const unknown: string[] = [];
  const list = t.buckets.length ? t.buckets : [In.of({ type: "date_histogram", id: "2", field: t.timeField })];
  for (const b of list) {
    const [type, field, s] = [b.get("type").str(), b.get("field").str(t.timeField), b.get("settings")];
    const id = b.get("id").str("2", 20);
    if (type === "terms") {
      const by = s.get("orderBy").str("_term");
      const order = s.get("order").str("desc") === "asc" ? "asc" : "desc";
      const size = Math.min(500, Math.max(1, s.get("size").num() || 10));
      known.push({ type, id, field, body: { terms: { field, size, order: { [by === "_term" ? "_key" : by]: order }, min_doc_count: s.get("min_doc_count").num() ?? 1, ...(s.get("missing").there ? { missing: s.get("missing").str() } : {}) } } });
    } else if (type === "date_histogram") {
      const own = duration(replace(s.get("interval").str("auto"), ask.scope, "text"));
      known.push({
        type,
        id,
        field,
        body: { date_histogram: { field, fixed_interval: `${own || step}ms`, min_doc_count: s.get("min_doc_count").num() ?? 0, extended_bounds: { min: ask.range.from, max: ask.range.to }, format: "epoch_millis" } },
      });
    } else unknown.push(type);
  }
  return { known, unknown };
}

const simple = new Set(["avg", "sum", "min", "max", "cardinality"]);

interface Metric {
  id: string;
  type: string;
  name: string;
  /** where the value is in a bucket */
  value: (bucket: In) => number | undefined;
  agg?: Record<string, unknown>;
}

function metricsOf(t: Target): { known: Metric[]; unknown: string[] } {
  const known: Metric[] = [];
  const unknown: string[] = [];
  for (const m of t.metrics.length ? t.metrics : [In.of({ type: "count", id: "1" })]) {
    const [type, id, field] = [m.get("type").str(), m.get("id").str("1", 20), m.get("field").str()];
    if (m.get("hide").bool()) continue;
    if (type === "count") known.push({ id, type, name: "Count", value: (b) => b.get("doc_count").num() });
    else if (simple.has(type)) known.push({ id, type, name: `${type} ${field}`, agg: { [type]: { field } }, value: (b) => b.get(id).get("value").num() });
    else if (type === "percentiles") {
      for (const p of m.get("settings").get("percents").strs(10)) {
        known.push({ id, type, name: `p${p} ${field}`, agg: { percentiles: { field, percents: m.get("settings").get("percents").strs(10).map(Number) } }, value: (b) => b.get(id).get("values").get(`${Number(p)}.0`).num() ?? b.get(id).get("values").get(p).num() });
      }
    } else unknown.push(type);
  }
  return { known, unknown };
}

function filter(t: Target, ask: Ask, scope: Scope): unknown {
  const text = inLucene(replace(t.expr, scope, "lucene").trim() || "*", filtersOf(ask, "elasticsearch"));
  return { bool: { filter: [{ range: { [t.timeField]: { gte: ask.range.from, lte: ask.range.to, format: "epoch_millis" } } }, { query_string: { analyze_wildcard: true, query: text } }] } };
}

/** flat is an object's members by their whole names. */
function flat(v: In, before = "", depth = 0): [string, string][] {
  return v.entries(200).flatMap(([k, x]) => {
    const name = before + k;
    return x.size && depth < 5 && x.entries(1).length ? flat(x, `${name}.`, depth + 1) : [[name, x.strs(20, 2000).join(", ") || x.str("", 20_000)] as [string, string]];
  });
}

function linesOf(answer: In, timeField: string): Line[] {
  return answer
    .get("hits")
    .get("hits")
    .list(mostLines)
    .map((h) => {
      const fields = flat(h.get("_source"));
      const of = (name: string) => fields.find(([k]) => k === name)?.[1];
      return {
        time: Date.parse(of(timeField) ?? "") || (h.get("sort").list(1)[0]?.num() ?? 0),
        text: of("message") ?? of("_msg") ?? of("log") ?? "",
        fields: fields.filter(([k]) => k !== timeField && k !== "message" && k !== "_msg"),
      };
    });
}

function tableOf(refId: string, lines: Line[]): Table {
  const names = [...new Set(lines.flatMap((l) => l.fields.map(([k]) => k)))].slice(0, 40);
  const columns: Column[] = [{ name: "@timestamp", kind: "time", refId }, { name: "message", kind: "string", refId }, ...names.map((name) => ({ name, kind: "string" as const, refId }))];
  return { refId, columns, rows: lines.map((l) => [l.time, l.text, ...names.map((n) => l.fields.find(([k]) => k === n)?.[1] ?? "")]) };
}

/** lines asks one target. */
export async function lines(t: Target, ask: Ask): Promise<Data> {
  const { step, scope } = stepOf({ ...ask, scrape: 1000 }, t.interval);
  const data: Data = { series: [], tables: [], lines: [], notes: [] };
  const first = t.metrics[0];
  const kind = first?.get("type").str();
  if (kind === "logs" || kind === "raw_data" || kind === "raw_document") {
    const settings = first.get("settings");
    const size = Math.min(mostLines, Math.max(1, settings.get("limit").num() || settings.get("size").num() || 500));
    const answer = await search({ size, query: filter(t, ask, scope), sort: [{ [t.timeField]: { order: settings.get("sortDirection").str() === "asc" ? "asc" : "desc" } }] }, ask.signal);
    const found = linesOf(answer, t.timeField);
    if (kind === "logs") data.lines = found;
    else data.tables.push(tableOf(t.refId, found));
    return data;
  }
  const { known, unknown } = buckets(t, ask, step);
  const wanted = metricsOf(t);
  for (const u of [...unknown, ...wanted.unknown]) data.notes.push(`unknown:${u}`);
  if (unknown.length || !known.length || !wanted.known.length) return data;
  let aggs: Record<string, unknown> | undefined;
  const innermost = Object.fromEntries(wanted.known.filter((m) => m.agg).map((m) => [m.id, m.agg]));
  for (const b of [...known].reverse()) aggs = { [b.id]: { ...b.body, ...(Object.keys(aggs ?? innermost).length ? { aggs: aggs ?? innermost } : {}) } };
  const answer = await search({ size: 0, query: filter(t, ask, scope), aggs }, ask.signal);
  const over = known.at(-1)?.type === "date_histogram";
  const rows: (string | number | null)[][] = [];
  const walk = (at: In, depth: number, keys: string[]): void => {
    const b = known[depth];
    const list = at.get(b.id).get("buckets").list(12_000);
    const last = depth === known.length - 1;
    if (last && over) {
      if (data.series.length >= mostSeries) return void data.notes.push("more");
      for (const m of wanted.known) {
        const name = [...keys, ...(wanted.known.length > 1 || !keys.length ? [m.name] : [])].join(" ");
        data.series.push({
          name: t.legend ? t.legend.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, n: string) => keys[known.findIndex((k) => k.field === n || `term ${k.field}` === n)] ?? (n === "metric" ? m.name : "")) : name,
          refId: t.refId,
          labels: new Map(keys.map((k, i) => [known[i].field, k])),
          times: list.map((x) => x.get("key").num() ?? 0),
          values: list.map((x) => m.value(x) ?? null),
          step,
        });
      }
      return;
    }
    for (const x of list) {
      const key = x.get("key_as_string").str(x.get("key").str());
      if (last) rows.push([...keys, key, ...wanted.known.map((m) => m.value(x) ?? null)]);
      else walk(x, depth + 1, [...keys, key]);
    }
  };
  walk(answer.get("aggregations"), 0, []);
  if (!over) data.tables.push({ refId: t.refId, columns: [...known.map((b) => ({ name: b.field, kind: "string" as const, refId: t.refId })), ...wanted.known.map((m) => ({ name: m.name, kind: "number" as const, refId: t.refId }))], rows: rows.slice(0, 5000) });
  return data;
}

/** marks are when lines of a query were written, each once. */
export async function marks(a: Annotation, ask: Ask): Promise<Mark[]> {
  const body = { size: mostMarks, query: filter({ ...none, expr: a.expr, timeField: a.timeField }, ask, ask.scope), sort: [{ [a.timeField]: { order: "desc" } }] };
  const answer = await search(body, ask.signal);
  return linesOf(answer, a.timeField)
    .map((l) => {
      const words = a.textField === "message" ? l.text : (l.fields.find(([k]) => k === a.textField)?.[1] ?? l.text);
      return { time: l.time, end: l.time, title: `${a.name}: ${strip(words.slice(0, 2000))}`.slice(0, 300), color: a.color };
    })
    .reverse();
}

const none: Target = { refId: "A", hide: false, expr: "", legend: "", instant: false, range: true, table: false, interval: "", metrics: [], buckets: [], timeField: "@timestamp" };

/** terms are the values of a field, for a variable. */
export async function terms(field: string, query: string, ask: Ask): Promise<string[]> {
  const answer = await search({ size: 0, query: filter({ ...none, expr: query }, ask, ask.scope), aggs: { "1": { terms: { field, size: 500, order: { _key: "asc" } } } } }, ask.signal);
  return answer.get("aggregations").get("1").get("buckets").list(500).map((b) => b.get("key").str("", 1000));
}


