// The variables of a dashboard: which values can be chosen, and which are.
import { raw } from "../lib/api";
import { type Filter, read } from "./adhoc";
import { kindOf, sources } from "./ask";
import { replace, type Scope, uses, type Value } from "./interpolate";
import { In } from "./json";
import { terms } from "./lines";
import { all, type Variable } from "./model";
import { match } from "./pattern";
import { type Ask, metricName, stepOf } from "./prom";
import { duration, interval, written } from "./time";

export interface Option {
  text: string;
  value: string;
}

export interface Resolved {
  variable: Variable;
  options: Option[];
  /** what is chosen; "$__all" for all of them */
  values: string[];
  error?: unknown;
}

const mostOptions = 1000;

/** kinds of variables that are known. */
export const kinds: ReadonlySet<string> = new Set(["query", "custom", "interval", "datasource", "textbox", "constant", "adhoc"]);

/** filtersOf are what the adhoc variables filter by. */
export function filtersOf(list: Resolved[], scope: Scope): Filter[] {
  return list
    .filter((r) => r.variable.type === "adhoc")
    .flatMap((r) => r.values.flatMap((text) => {
      const f = read(text);
      return f ? [{ ...f, kind: kindOf(r.variable.source, scope) }] : [];
    }));
}

/** valuesOf a label, to choose one of. */
export async function valuesOf(v: Variable, key: string, ask: Ask): Promise<string[]> {
  if (kindOf(v.source, ask.scope) === "elasticsearch") return terms(key, "*", ask);
  return strings(`label/${encodeURIComponent(key)}/values`, new URLSearchParams({ start: String(ask.range.from / 1000), end: String(ask.range.to / 1000) }), ask.signal);
}

async function strings(path: string, params: URLSearchParams, signal: AbortSignal): Promise<string[]> {
  params.set("limit", String(mostOptions));
  const body = In.of(await (await raw(`/prometheus/api/v1/${path}?${params}`, { signal })).json());
  return body.get("data").strs(mostOptions, 1000);
}

/** ofMetrics understands the questions that Grafana's Prometheus source does. */
async function ofMetrics(text: string, ask: Ask): Promise<string[]> {
  const span = () => new URLSearchParams({ start: String(ask.range.from / 1000), end: String(ask.range.to / 1000) });
  const values = /^label_values\((?:([^]+),\s*)?([a-zA-Z_][\w.]*)\s*\)\s*$/.exec(text);
  if (values) {
    const p = span();
    if (values[1]?.trim()) p.set("match[]", values[1].trim());
    return strings(`label/${encodeURIComponent(values[2])}/values`, p, ask.signal);
  }
  const names = /^label_names\((.*)\)\s*$/.exec(text);
  if (names) {
    const p = span();
    if (names[1].trim()) p.set("match[]", names[1].trim());
    return (await strings("labels", p, ask.signal)).filter((n) => n !== "__name__");
  }
  const metrics = /^metrics\((.+)\)\s*$/.exec(text);
  if (metrics) return strings("label/__name__/values", new URLSearchParams([...span(), ["match[]", `{__name__=~${JSON.stringify(`.*(?:${metrics[1]}).*`)}}`]]), ask.signal);
  const result = /^query_result\(([^]+)\)\s*$/.exec(text);
  const p = new URLSearchParams(result ? { query: result[1], time: String(ask.range.to / 1000), limit: String(mostOptions) } : { ...Object.fromEntries(span()), "match[]": text, limit: String(mostOptions) });
  const body = In.of(await (await raw(`/prometheus/api/v1/${result ? "query" : "series"}?${p}`, { signal: ask.signal })).json());
  const list = result ? body.get("data").get("result").list(mostOptions) : body.get("data").list(mostOptions);
  return list.map((r) => {
    const labels = new Map((result ? r.get("metric") : r).entries(100).map(([k, v]) => [k, v.str("", 1000)]));
    return metricName(labels) + (result ? ` ${r.get("value").strs(2).join(" ")}` : "");
  });
}

async function ofSource(v: Variable, ask: Ask): Promise<string[]> {
  const asked = v.query.get("query").str(v.query.str("", 20_000), 20_000);
  if (kindOf(v.source, ask.scope) === "elasticsearch") {
    const q = In.of(JSON.parse(replace(asked, ask.scope, "lucene")));
    return q.get("find").str() === "terms" ? terms(q.get("field").str(), q.get("query").str("*"), ask) : [];
  }
  const text = replace(asked, stepOf(ask, "").scope, "prometheus").trim();
  return text ? ofMetrics(text, ask) : [];
}

/** picked is what a pattern leaves of the values: its groups text and value, its first group, or all. */
export function picked(values: string[], regex: string): Option[] {
  const out = new Map<string, Option>();
  for (const v of values) {
    if (!regex) {
      out.set(v, { text: v, value: v });
      continue;
    }
    const m = match(regex, v);
    if (!m) continue;
    const value = m.named("value") ?? m.groups[1] ?? m.named("text") ?? v;
    out.set(value, { text: m.named("text") ?? value, value });
  }
  return [...out.values()].slice(0, mostOptions);
}

const firstNumber = (s: string) => Number(/\d+(\.\d+)?/.exec(s)?.[0] ?? Number.POSITIVE_INFINITY);

export function sorted(options: Option[], how: number): Option[] {
  if (!how) return options;
  const plain = new Intl.Collator("en");
  const natural = new Intl.Collator("en", { numeric: true });
  const compare = (a: Option, b: Option): number => {
    if (how === 3 || how === 4) return firstNumber(a.text) - firstNumber(b.text) || 0;
    if (how === 5 || how === 6) return plain.compare(a.text.toLowerCase(), b.text.toLowerCase());
    return (how === 7 || how === 8 ? natural : plain).compare(a.text, b.text);
  };
  return [...options].sort((a, b) => (how % 2 ? compare(a, b) : compare(b, a)));
}

/** listed are the values of "a, b : 1, c\,d": a text may stand before its value. */
export function listed(text: string): Option[] {
  const parts = text.match(/(?:\\,|[^,])+/g) ?? [];
  return parts
    .map((p) => p.replace(/\\,/g, ",").trim())
    .filter(Boolean)
    .slice(0, mostOptions)
    .map((p) => {
      const m = /^(.+?)\s:\s(.+)$/.exec(p);
      return m ? { text: m[1], value: m[2] } : { text: p, value: p };
    });
}

async function optionsOf(v: Variable, ask: Ask): Promise<Option[]> {
  switch (v.type) {
    case "query":
      return sorted(picked(await ofSource(v, ask), replace(v.regex, ask.scope, "text")), v.sort);
    case "custom":
      return v.query.str() ? listed(v.query.str("", 20_000)) : v.options;
    case "interval":
      return listed(v.query.str("1m,10m,30m,1h,6h,12h,1d", 2000)).map((o) => (o.value === "auto" ? { text: "auto", value: "auto" } : o));
    case "datasource":
      return [...sources].filter(([kind]) => kind === v.query.str()).map(([, s]) => ({ text: s.name, value: s.uid }));
    case "adhoc":
      return kindOf(v.source, ask.scope) === "prometheus" ? (await ofMetrics("label_names()", ask)).map((x) => ({ text: x, value: x })) : [];
    case "textbox":
    case "constant": {
      const text = v.query.str(v.current[0] ?? "", 2000);
      return [{ text, value: text }];
    }
  }
  throw new Error(v.type);
}

/** chooseOf is what is chosen: what the address says, else the board, else the first. */
export function chooseOf(v: Variable, options: Option[], asked: string[] | undefined, home: string): string[] {
  const known = (x: string) => options.some((o) => o.value === x) || (x === all && v.includeAll);
  if (v.type === "constant") return options.map((o) => o.value).slice(0, 1);
  if (v.type === "textbox") return [asked?.[0] ?? v.current[0] ?? options[0]?.value ?? ""];
  if (v.type === "adhoc") return (asked ?? v.current).filter((x) => read(x));
  if (v.type === "datasource") return options.slice(0, 1).map((o) => o.value);
  if (asked?.length) {
    const meant = asked.map((x) => (x === "All" && v.includeAll && !known(x) ? all : x)).slice(0, v.multi ? 200 : 1);
    if (meant.length) return meant;
  }
  const before = v.current.map((x) => (x === "All" ? all : x)).filter(known);
  if (before.length) return v.multi ? before : before.slice(0, 1);
  if (v.name === "namespace" && known(home)) return [home];
  if (v.includeAll) return [all];
  return options.slice(0, 1).map((o) => o.value);
}

/** valueOf is what a variable stands for in queries. */
export function valueOf(r: Resolved, ask: Ask): Value {
  const v = r.variable;
  const text = (x: string) => r.options.find((o) => o.value === x)?.text ?? x;
  const multi = v.multi || v.includeAll;
  if (r.values.includes(all)) {
    const every = r.options.map((o) => o.value);
    return { values: every, texts: ["All"], multi, raw: v.allValue || undefined };
  }
  let values = r.values;
  if (v.type === "interval" && values[0] === "auto") values = [written(interval(ask.range, 30, duration("10s")))];
  const authored = ["custom", "constant", "interval"].includes(v.type) && values.every((x) => r.options.some((o) => o.value === x));
  return { values, texts: r.values.map(text), multi, authored };
}

function needs(v: Variable): string[] {
  return uses(`${v.query.str("", 20_000)} ${v.query.get("query").str("", 20_000)} ${v.regex} ${v.source?.uid ?? ""}`);
}

/** inOrder puts those first that others are made of; where they are made of one another, one is first. */
export function inOrder(variables: Variable[]): Variable[] {
  const byName = new Map(variables.map((v) => [v.name, v]));
  const seen = new Set<string>();
  const out: Variable[] = [];
  const visit = (v: Variable): void => {
    if (seen.has(v.name)) return;
    seen.add(v.name);
    for (const n of needs(v)) {
      const other = byName.get(n);
      if (other) visit(other);
    }
    out.push(v);
  };
  variables.forEach(visit);
  return out;
}

/** resolve asks for the values of all variables, each as soon as those are known that it is made of. */
export async function resolve(variables: Variable[], asked: ReadonlyMap<string, string[]>, home: string, ask: Ask): Promise<{ list: Resolved[]; scope: Scope }> {
  const scope = new Map(ask.scope);
  const begun = new Map<string, Promise<Resolved>>();
  const one = async (v: Variable, before: (Promise<Resolved> | undefined)[]): Promise<Resolved> => {
    await Promise.all(before);
    let r: Resolved;
    try {
      const options = await optionsOf(v, { ...ask, scope });
      r = { variable: v, options, values: chooseOf(v, options, asked.get(v.name), home) };
    } catch (error) {
      ask.signal.throwIfAborted();
      r = { variable: v, options: [], values: chooseOf(v, [], asked.get(v.name), home), error };
    }
    if (v.type !== "adhoc") scope.set(v.name, valueOf(r, ask));
    return r;
  };
  for (const v of inOrder(variables)) begun.set(v.name, one(v, needs(v).map((n) => begun.get(n))));
  return { list: await Promise.all(variables.map((v) => begun.get(v.name) as Promise<Resolved>)), scope };
}
