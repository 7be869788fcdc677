// Times as dashboards write them: now-3h, now/d, 1700000000000, 2026-01-02T03:04:05Z,
// and durations such as 30s. Everything here is milliseconds.

const units = new Map([
  ["ms", 1],
  ["s", 1000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
  ["w", 7 * 86_400_000],
  ["M", 30 * 86_400_000],
  ["y", 365 * 86_400_000],
]);

/** duration of 30s, 1m30s or >1m; 0 where it is none. */
export function duration(text: string): number {
  const s = text.trim().replace(/^>=?/, "");
  if (!/^(\d+(\.\d+)?(ms|[smhdwMy]))+$/.test(s)) return 0;
  let sum = 0;
  for (const m of s.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdwMy])/g)) sum += Number(m[1]) * (units.get(m[2]) ?? 0);
  return sum;
}

/** floor of a time to the beginning of its unit, where people look from. */
function floor(time: number, unit: string): number {
  const d = new Date(time);
  if (unit === "y") d.setMonth(0, 1);
  if (unit === "M") d.setDate(1);
  if (unit === "w") d.setDate(d.getDate() - ((d.getDay() + 6) % 7));
  if ("yMwd".includes(unit)) d.setHours(0, 0, 0, 0);
  if (unit === "h") d.setMinutes(0, 0, 0);
  if (unit === "m") d.setSeconds(0, 0);
  if (unit === "s") d.setMilliseconds(0);
  return d.getTime();
}

function add(time: number, n: number, unit: string): number {
  const d = new Date(time);
  if (unit === "y") d.setFullYear(d.getFullYear() + n);
  else if (unit === "M") d.setMonth(d.getMonth() + n);
  else if (unit === "d" || unit === "w") d.setDate(d.getDate() + n * (unit === "w" ? 7 : 1));
  else return time + n * (units.get(unit) ?? 0);
  return d.getTime();
}

/** at is the time that a text means; with end, now/d is the end of the day. */
export function at(text: string, now: number, end = false): number | undefined {
  const s = text.trim();
  if (/^\d{9,14}$/.test(s)) return Number(s);
  const m = /^now((?:[+-]\d{1,6}[smhdwMy])*)(?:\/([smhdwMy]))?$/.exec(s);
  if (!m) {
    const t = /^\d{4}-\d\d/.test(s) ? Date.parse(s) : NaN;
    return Number.isFinite(t) ? t : undefined;
  }
  let t = now;
  for (const p of m[1].matchAll(/([+-]\d+)([smhdwMy])/g)) t = add(t, Number(p[1]), p[2]);
  if (m[2]) {
    t = floor(t, m[2]);
    if (end) t = add(t, 1, m[2]) - 1;
  }
  return Number.isFinite(t) ? t : undefined;
}

export interface Range {
  from: number;
  to: number;
}

/** rangeOf two texts; what is not a range is the last hour. */
export function rangeOf(from: string, to: string, now: number): Range {
  const a = at(from, now);
  const b = at(to, now, true);
  return a !== undefined && b !== undefined && b > a ? { from: a, to: b } : { from: now - 3_600_000, to: now };
}

/** steps that an interval is rounded to, and from where on. */
const steps: [number, number][] = [
  [10, 1], [15, 10], [35, 20], [75, 50], [150, 100], [350, 200], [750, 500], [1500, 1000], [3500, 2000], [7500, 5000],
  [12_500, 10_000], [17_500, 15_000], [25_000, 20_000], [45_000, 30_000], [90_000, 60_000], [210_000, 120_000], [450_000, 300_000],
  [750_000, 600_000], [1_050_000, 900_000], [1_500_000, 1_200_000], [2_700_000, 1_800_000], [5_400_000, 3_600_000], [9_000_000, 7_200_000],
  [16_200_000, 10_800_000], [32_400_000, 21_600_000], [86_400_000, 43_200_000], [604_800_000, 86_400_000], [1_814_400_000, 604_800_000],
];

/** interval between two points, so that there are about as many as wanted. */
export function interval(range: Range, points: number, least: number): number {
  const raw = (range.to - range.from) / Math.max(1, points);
  const rounded = steps.find(([below]) => raw < below)?.[1] ?? 2_592_000_000;
  return Math.max(rounded, least, Math.ceil((range.to - range.from) / 11_000 / 1000) * 1000); // Prometheus answers with 11,000 points at most
}

/** rateInterval spans at least four samples, so that a rate has two of them whatever happens. */
export function rateInterval(step: number, scrape: number): number {
  return Math.max(step + scrape, 4 * scrape);
}

/** written as Prometheus reads it. */
export function written(ms: number): string {
  for (const [unit, size] of [["d", 86_400_000], ["h", 3_600_000], ["m", 60_000], ["s", 1000]] as const) {
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  }
  return `${Math.max(1, Math.round(ms))}ms`;
}

/** quick ranges of the picker. */
export const quick = ["5m", "15m", "30m", "1h", "3h", "6h", "12h", "24h", "2d", "7d", "30d"];
export const refreshes = ["5s", "10s", "30s", "1m", "5m", "15m", "30m", "1h"];
