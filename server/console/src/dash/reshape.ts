// Transformations that make other rows: joined, grouped, reduced, calculated.
import { type Cell, type Column, type Data, type Table, calc } from "./data";
import type { In } from "./json";
import { match } from "./pattern";
import { align } from "./panels/timeseries";
import { merged, tableOf } from "./panels/table";

const numbers = (cells: Cell[]): (number | null)[] => cells.map((c) => (typeof c === "number" ? c : null));

/** one is a calculation of cells, which may be texts where only one of them is wanted. */
function one(how: string, cells: Cell[]): Cell {
  const have = cells.filter((c) => c !== null && c !== "");
  if (how === "count") return cells.length;
  if (how === "distinctCount") return new Set(cells).size;
  if (!have.some((c) => typeof c === "string")) return calc(how, numbers(cells));
  return how.startsWith("first") ? (have[0] ?? null) : how.startsWith("last") ? (have.at(-1) ?? null) : null;
}

/** told gives columns of one name the numbers that Grafana gives them: Time 1, Time 2. */
function told(columns: Column[]): Column[] {
  const count = new Map<string, number>();
  for (const c of columns) count.set(c.name, (count.get(c.name) ?? 0) + 1);
  const seen = new Map<string, number>();
  return columns.map((c) => {
    if ((count.get(c.name) ?? 0) < 2) return c;
    const n = (seen.get(c.name) ?? 0) + 1;
    seen.set(c.name, n);
    return { ...c, name: `${c.name} ${n}` };
  });
}

/** join puts tables side by side, by the values of one column. */
export function join(d: Data, o: In): Data {
  const by = o.get("byField").str();
  const all = d.tables;
  if (!all.length || !by || !all.every((t) => t.columns.some((c) => c.name === by))) return { ...d, series: [], tables: [all.length > 1 ? merged(all) : tableOf(d)] };
  if (all.length === 1) return { ...d, series: [] };
  const keyOf = all.map((t) => t.columns.findIndex((c) => c.name === by));
  const at = all.map((t, i) => {
    const rows = new Map<Cell, Cell[][]>();
    for (const r of t.rows) rows.set(r[keyOf[i]], [...(rows.get(r[keyOf[i]]) ?? []), r]);
    return rows;
  });
  const inner = o.get("mode").str() === "inner";
  const keys = [...new Set(at.flatMap((m) => [...m.keys()]))].filter((k) => !inner || at.every((m) => m.has(k)));
  const rest = (r: Cell[] | undefined, i: number): Cell[] => all[i].columns.flatMap((_, c) => (c === keyOf[i] ? [] : [r?.[c] ?? null]));
  const rows = keys.flatMap((k) => {
    const depth = Math.min(1000, Math.max(1, ...at.map((m) => m.get(k)?.length ?? 0)));
    return Array.from({ length: depth }, (_, n) => [k, ...all.flatMap((_, i) => rest(at[i].get(k)?.[n], i))]);
  });
  const columns = told(all.flatMap((t, i) => t.columns.filter((_, c) => c !== keyOf[i])));
  return { ...d, series: [], tables: [{ refId: all[0].refId, columns: [{ ...all[0].columns[keyOf[0]], refId: "" }, ...columns], rows }] };
}

/** grouped has a row for each value of the columns it goes by. */
export function grouped(d: Data, o: In): Data {
  const tables = d.tables.length ? d.tables : d.series.length ? [tableOf(d)] : [];
  const of = (c: Column) => o.get("fields").get(c.name);
  return {
    ...d,
    series: [],
    tables: tables.map((t) => {
      const keys = t.columns.flatMap((c, i) => (of(c).get("operation").str() === "groupby" ? [i] : []));
      const values = t.columns.flatMap((c, i) => (of(c).get("operation").str() === "aggregate" ? of(c).get("aggregations").strs(10, 40).map((how) => ({ i, how, c })) : []));
      const groups = new Map<string, Cell[][]>();
      for (const r of t.rows) {
        const id = JSON.stringify(keys.map((k) => r[k]));
        const rows = groups.get(id);
        if (rows) rows.push(r);
        else groups.set(id, [r]);
      }
      return {
        refId: t.refId,
        columns: [...keys.map((k) => t.columns[k]), ...values.map(({ how, c }): Column => ({ name: `${c.name} (${how})`, kind: how === "count" || how === "distinctCount" ? "number" : c.kind, refId: c.refId }))],
        rows: keys.length ? [...groups.values()].map((rows) => [...keys.map((k) => rows[0][k]), ...values.map(({ i, how }) => one(how, rows.map((r) => r[i])))]) : t.rows,
      };
    }),
  };
}

/** withLabels makes a table of each query's series: its labels are columns. */
export function withLabels(d: Data, o: In): Data {
  if (!d.series.length) return d; // tables have them already
  const keep = o.get("keepLabels").strs(50);
  const wanted = (l: string) => !keep.length || keep.includes(l);
  const named = o.get("valueLabel").str();
  const refs = [...new Set(d.series.map((s) => s.refId))];
  const tables = refs.map((refId): Table => {
    const series = d.series.filter((s) => s.refId === refId);
    const labels = [...new Set(series.flatMap((s) => [...s.labels.keys()]))].filter((l) => l !== "__name__" && l !== named && wanted(l)).slice(0, 40);
    const valueOf = (labels: ReadonlyMap<string, string>) => (named && labels.get(named)) || (refs.length > 1 ? `Value #${refId}` : "Value");
    const values = [...new Set(series.map((s) => valueOf(s.labels)))].slice(0, 40);
    const rows = new Map<string, Cell[]>();
    for (const s of series) {
      s.times.forEach((time, i) => {
        const own = [time, ...labels.map((l) => s.labels.get(l) ?? "")];
        const id = JSON.stringify(own);
        const row = rows.get(id) ?? [...own, ...values.map(() => null)];
        const at = values.indexOf(valueOf(s.labels));
        if (at >= 0) row[own.length + at] = s.values[i];
        rows.set(id, row);
      });
    }
    const columns: Column[] = [{ name: "Time", kind: "time", refId }, ...labels.map((name): Column => ({ name, kind: "string", refId })), ...values.map((name): Column => ({ name, kind: "number", refId }))];
    return { refId, columns, rows: [...rows.values()].slice(0, 5000) };
  });
  return { ...d, series: [], tables: [...d.tables, ...tables] };
}

/** names of calculations, as columns have them. */
const titles = new Map([
  ["lastNotNull", "Last *"], ["last", "Last"], ["firstNotNull", "First *"], ["first", "First"], ["min", "Min"], ["max", "Max"], ["mean", "Mean"], ["sum", "Total"], ["count", "Count"],
  ["range", "Range"], ["delta", "Delta"], ["diff", "Difference"], ["median", "Median"], ["stdDev", "StdDev"], ["variance", "Variance"], ["distinctCount", "Distinct Count"],
]);

/** reduced has one value of each series, or of each column. */
export function reduced(d: Data, o: In): Data {
  const how = o.get("reducers").strs(10, 40);
  const list = how.length ? how : ["max"];
  const given = d.series.map((s) => ({ name: s.name, refId: s.refId, values: s.values as Cell[], labels: s.labels }));
  const fields = [...given, ...d.tables.flatMap((t) => t.columns.flatMap((c, i) => (c.kind === "number" ? [{ name: c.name, refId: t.refId, values: t.rows.map((r) => r[i]), labels: new Map<string, string>() as ReadonlyMap<string, string> }] : [])))];
  if (o.get("mode").str() === "reduceFields") {
    const columns = fields.map((f): Column => ({ name: f.name, kind: "number", refId: f.refId }));
    return { ...d, series: [], tables: [{ refId: "", columns, rows: [fields.map((f) => one(list[0], f.values))] }] };
  }
  const labels = o.get("labelsToFields").bool() ? [...new Set(fields.flatMap((f) => [...f.labels.keys()]))].filter((l) => l !== "__name__").slice(0, 40) : [];
  const columns: Column[] = [{ name: "Field", kind: "string", refId: "" }, ...labels.map((name): Column => ({ name, kind: "string", refId: "" })), ...list.map((h): Column => ({ name: titles.get(h) ?? h, kind: "number", refId: "" }))];
  return { ...d, series: [], tables: [{ refId: "", columns, rows: fields.map((f) => [f.name, ...labels.map((l) => f.labels.get(l) ?? ""), ...list.map((h) => one(h, f.values))]) }] };
}

const operators = new Map<string, (a: number, b: number) => number>([["+", (a, b) => a + b], ["-", (a, b) => a - b], ["*", (a, b) => a * b], ["/", (a, b) => a / b], ["**", (a, b) => a ** b], ["%", (a, b) => a % b]]);
const unary = new Map<string, (a: number) => number>([["abs", Math.abs], ["exp", Math.exp], ["ln", Math.log], ["floor", Math.floor], ["ceil", Math.ceil], ["round", Math.round]]);

/** operand is a number as it is written, or the field of a name. */
function operand(v: In): In {
  for (const inner of [v.get("fixed"), v.get("matcher").get("options")]) if (inner.there) return inner;
  return v;
}

/** calculated has one field more, of the others of its row. Undefined where it is not known how. */
export function calculated(d: Data, o: In): Data | undefined {
  const mode = o.get("mode").str("reduceRow");
  let alias = o.get("alias").str();
  let row: (value: (name: string) => number | null, all: (number | null)[]) => number | null;
  let only: string[] = [];
  if (mode === "reduceRow") {
    const how = o.get("reduce").get("reducer").str("sum");
    only = o.get("reduce").get("include").strs(100);
    alias ||= titles.get(how) ?? how;
    row = (_, all) => calc(how, all);
  } else if (mode === "binary") {
    const b = o.get("binary");
    const [left, right] = [operand(b.get("left")).str(), operand(b.get("right")).str()];
    const sign = b.get("operator").str("+");
    const f = operators.get(sign);
    if (!f) return undefined;
    alias ||= `${left} ${sign} ${right}`;
    const of = (text: string, value: (name: string) => number | null) => value(text) ?? (text.trim() && Number.isFinite(Number(text)) ? Number(text) : null);
    row = (value) => {
      const [x, y] = [of(left, value), of(right, value)];
      return x === null || y === null ? null : f(x, y);
    };
  } else if (mode === "unary") {
    const f = unary.get(o.get("unary").get("operator").str());
    const name = o.get("unary").get("fieldName").str();
    if (!f) return undefined;
    alias ||= `${o.get("unary").get("operator").str()} ${name}`;
    row = (value) => {
      const x = value(name);
      return x === null ? null : f(x);
    };
  } else return undefined;
  const replace = o.get("replaceFields").bool();
  if (d.tables.length) {
    const tables = d.tables.map((t): Table => {
      const at = t.columns.flatMap((c, i) => (c.kind === "number" && (!only.length || only.includes(c.name)) ? [i] : []));
      const rows = t.rows.map((r) => row((name) => numbers([r[t.columns.findIndex((c) => c.name === name)] ?? null])[0], numbers(at.map((i) => r[i]))));
      const kept = t.columns.flatMap((c, i) => (replace && c.kind !== "time" ? [] : [i]));
      return { ...t, columns: [...kept.map((i) => t.columns[i]), { name: alias, kind: "number", refId: t.refId }], rows: t.rows.map((r, n) => [...kept.map((i) => r[i]), rows[n]]) };
    });
    return { ...d, tables };
  }
  if (!d.series.length) return d;
  const [times, ...columns] = align(d.series);
  const values = times.map((_, i) => {
    const value = (name: string) => columns[d.series.findIndex((s) => s.name === name)]?.[i] ?? null;
    return row(value, columns.flatMap((c, k) => (!only.length || only.includes(d.series[k].name) ? [c[i] ?? null] : [])));
  });
  const made = { name: alias, refId: d.series[0].refId, labels: new Map<string, string>(), times: times.map((t) => t * 1000), values, step: Math.min(...d.series.map((s) => s.step)) };
  return { ...d, series: replace ? [made] : [...d.series, made] };
}

const tests = new Map<string, (cell: Cell, o: In) => boolean>([
  ["greater", (c, o) => typeof c === "number" && c > (o.get("value").num() ?? Infinity)],
  ["greaterOrEqual", (c, o) => typeof c === "number" && c >= (o.get("value").num() ?? Infinity)],
  ["lower", (c, o) => typeof c === "number" && c < (o.get("value").num() ?? -Infinity)],
  ["lowerOrEqual", (c, o) => typeof c === "number" && c <= (o.get("value").num() ?? -Infinity)],
  ["between", (c, o) => typeof c === "number" && c > (o.get("from").num() ?? Infinity) && c < (o.get("to").num() ?? -Infinity)],
  ["equal", (c, o) => String(c) === o.get("value").str()],
  ["notEqual", (c, o) => String(c) !== o.get("value").str()],
  ["substring", (c, o) => String(c).includes(o.get("value").str())],
  ["notSubstring", (c, o) => !String(c).includes(o.get("value").str())],
  ["regex", (c, o) => match(o.get("value").str("", 300), String(c)) !== undefined],
  ["isNull", (c) => c === null || c === ""],
  ["isNotNull", (c) => c !== null && c !== ""],
]);

/** filtered leaves rows out by their values. Undefined where it is not known how. */
export function filtered(d: Data, o: In): Data | undefined {
  const filters = o.get("filters").list(20).map((f) => ({ name: f.get("fieldName").str(), hit: tests.get(f.get("config").get("id").str()), options: f.get("config").get("options") }));
  if (filters.some((f) => !f.hit)) return undefined;
  const every = o.get("match").str() === "all";
  const include = o.get("type").str("include") === "include";
  const tables = d.tables.map((t) => {
    const known = filters.map((f) => ({ ...f, at: t.columns.findIndex((c) => c.name === f.name) })).filter((f) => f.at >= 0);
    if (!known.length) return t;
    const hit = (r: Cell[]) => (every ? known.every((f) => f.hit?.(r[f.at], f.options)) : known.some((f) => f.hit?.(r[f.at], f.options)));
    return { ...t, rows: t.rows.filter((r) => hit(r) === include) };
  });
  return { ...d, tables };
}

/** asRows has a row for each value of each series. */
export function asRows(d: Data): Data {
  const columns: Column[] = [{ name: "Time", kind: "time", refId: "" }, { name: "Metric", kind: "string", refId: "" }, { name: "Value", kind: "number", refId: "" }];
  return { ...d, series: [], tables: [{ refId: "", columns, rows: d.series.flatMap((s) => s.times.map((t, i): Cell[] => [t, s.name, s.values[i]])).slice(0, 5000) }] };
}
