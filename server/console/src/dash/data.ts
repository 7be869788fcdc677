// What a panel's queries found, the same for metrics and for lines.

export interface Series {
  name: string;
  refId: string;
  labels: ReadonlyMap<string, string>;
  /** milliseconds */
  times: number[];
  values: (number | null)[];
  /** between two values, to know a gap */
  step: number;
}

export type Cell = string | number | null;

export interface Column {
  name: string;
  kind: "time" | "number" | "string";
  refId: string;
}

export interface Table {
  refId: string;
  columns: Column[];
  rows: Cell[][];
}

export interface Line {
  time: number;
  text: string;
  fields: [string, string][];
}

export interface Data {
  series: Series[];
  tables: Table[];
  lines: Line[];
  /** what is left out, or not done */
  notes: string[];
}

export const none: Data = { series: [], tables: [], lines: [], notes: [] };

export function together(parts: Data[]): Data {
  return {
    series: parts.flatMap((p) => p.series),
    tables: parts.flatMap((p) => p.tables),
    lines: parts.flatMap((p) => p.lines),
    notes: [...new Set(parts.flatMap((p) => p.notes))],
  };
}

export function empty(d: Data): boolean {
  return !d.series.some((s) => s.values.some((v) => v !== null)) && !d.tables.some((t) => t.rows.length) && !d.lines.length;
}

const real = (values: (number | null)[]): number[] => values.filter((v): v is number => v !== null && !Number.isNaN(v));

const calcs = new Map<string, (values: (number | null)[]) => number | null>([
  ["last", (v) => v.at(-1) ?? null],
  ["lastNotNull", (v) => real(v).at(-1) ?? null],
  ["first", (v) => v[0] ?? null],
  ["firstNotNull", (v) => real(v)[0] ?? null],
  ["min", (v) => real(v).reduce<number | null>((a, b) => (a === null || b < a ? b : a), null)],
  ["max", (v) => real(v).reduce<number | null>((a, b) => (a === null || b > a ? b : a), null)],
  ["mean", (v) => (real(v).length ? real(v).reduce((a, b) => a + b, 0) / real(v).length : null)],
  ["sum", (v) => (real(v).length ? real(v).reduce((a, b) => a + b, 0) : null)],
  ["count", (v) => v.length],
  ["range", (v) => (real(v).length ? real(v).reduce((a, b) => Math.max(a, b)) - real(v).reduce((a, b) => Math.min(a, b)) : null)],
  ["delta", (v) => real(v).reduce((sum, x, i, l) => (i ? sum + (x >= l[i - 1] ? x - l[i - 1] : x) : 0), 0)],
  ["diff", (v) => (real(v).length ? (real(v).at(-1) ?? 0) - real(v)[0] : null)],
  ["diffperc", (v) => (real(v).length && real(v)[0] ? ((real(v).at(-1) ?? 0) - real(v)[0]) / real(v)[0] : null)],
  ["median", (v) => quantile(v, 0.5)],
  ["variance", (v) => variance(v)],
  ["stdDev", (v) => (variance(v) === null ? null : Math.sqrt(variance(v) ?? 0))],
  ["distinctCount", (v) => new Set(v).size],
  ["allIsNull", (v) => Number(v.every((x) => x === null))],
  ["allIsZero", (v) => Number(v.every((x) => x === 0))],
]);

function quantile(v: (number | null)[], q: number): number | null {
  const s = real(v).sort((a, b) => a - b);
  return s.length ? s[Math.min(s.length - 1, Math.floor(q * s.length))] : null;
}

function variance(v: (number | null)[]): number | null {
  const s = real(v);
  if (!s.length) return null;
  const mean = s.reduce((a, b) => a + b, 0) / s.length;
  return s.reduce((a, b) => a + (b - mean) ** 2, 0) / s.length;
}

/** calc makes one value of many: lastNotNull, max, p95 and what else Grafana calls so. */
export function calc(name: string, values: (number | null)[]): number | null {
  const p = /^p(\d{1,2})$/.exec(name);
  if (p) return quantile(values, Number(p[1]) / 100);
  return (calcs.get(name) ?? calcs.get("lastNotNull"))?.(values) ?? null;
}

/** Single is one value of a panel that shows values: a stat, a gauge, a bar. */
export interface Single {
  name: string;
  refId: string;
  value: Cell;
  /** what it was before, for a line behind it */
  past: (number | null)[];
  /** what it was measured of, or the cells of its row */
  labels: ReadonlyMap<string, string>;
}

const noLabels: ReadonlyMap<string, string> = new Map();

/** rowOf is a row's cells by their columns. */
export function rowOf(t: { columns: Column[] }, r: Cell[]): ReadonlyMap<string, string> {
  return new Map(t.columns.map((c, i) => [c.name, r[i] === null ? "" : String(r[i])]));
}

/** singles of series by a calculation, and of the numbers of tables, by column or by row. */
export function singles(d: Data, how: string, rows: boolean, most: number): Single[] {
  const out: Single[] = d.series.map((s) => ({ name: s.name, refId: s.refId, value: calc(how, s.values), past: s.values.length > 1 ? s.values : [], labels: s.labels }));
  for (const t of d.tables) {
    const numbers = t.columns.flatMap((c, i) => (c.kind === "number" ? [i] : []));
    if (rows) {
      for (const r of t.rows) {
        const name = r.filter((_, i) => t.columns[i].kind === "string").join(" ");
        for (const i of numbers) out.push({ name: numbers.length > 1 ? `${name} ${t.columns[i].name}`.trim() : name, refId: t.refId, value: r[i], past: [], labels: rowOf(t, r) });
      }
    } else {
      for (const i of numbers) out.push({ name: t.columns[i].name, refId: t.refId, value: calc(how, t.rows.map((r) => (typeof r[i] === "number" ? r[i] : null))), past: [], labels: noLabels });
    }
  }
  return out.slice(0, most);
}
