// Values as people read them, by Grafana's names of units. A unit that is not known
// is written behind the number.
import { language } from "../i18n";

const decimal = ["", "k", "M", "G", "T", "P", "E", "Z"];
const binary = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi"];
const counted = ["", " K", " Mil", " Bil", " Tri", " Quadr", " Quint"];

interface Scaled {
  base: number;
  prefixes: readonly string[];
  /** unit behind the prefix */
  unit: string;
  /** what a value of 1 already is, as a power of the base */
  from?: number;
}

const scaled = new Map<string, Scaled>();
const si = (id: string, unit: string, from = 0) => scaled.set(id, { base: 1000, prefixes: decimal, unit, from });
const iec = (id: string, unit: string, from = 0) => scaled.set(id, { base: 1024, prefixes: binary, unit, from });
const count = (id: string, unit: string) => scaled.set(id, { base: 1000, prefixes: ["", "K", "M", "B", "T"], unit: ` ${unit}` });
scaled.set("short", { base: 1000, prefixes: counted, unit: "" });
for (const [id, unit, from] of [["decbytes", "B"], ["decbits", "b"], ["Bps", "B/s"], ["bps", "b/s"], ["hertz", "Hz"], ["watt", "W"], ["volt", "V"], ["amp", "A"], ["deckbytes", "B", 1], ["decmbytes", "B", 2], ["decgbytes", "B", 3], ["pps", "p/s"], ["KBs", "B/s", 1], ["MBs", "B/s", 2], ["GBs", "B/s", 3], ["Kbits", "b/s", 1], ["Mbits", "b/s", 2], ["Gbits", "b/s", 3], ["sishort", ""]] as const) si(id, unit, from);
for (const [id, unit, from] of [["bytes", "B"], ["bits", "b"], ["binBps", "B/s"], ["binbps", "b/s"], ["kbytes", "B", 1], ["mbytes", "B", 2], ["gbytes", "B", 3], ["tbytes", "B", 4], ["KiBs", "B/s", 1], ["MiBs", "B/s", 2], ["GiBs", "B/s", 3]] as const) iec(id, unit, from);
for (const [id, unit] of [["cps", "c/s"], ["ops", "ops/s"], ["reqps", "req/s"], ["rps", "rd/s"], ["wps", "wr/s"], ["iops", "io/s"], ["eps", "evt/s"], ["mps", "msg/s"], ["recps", "rec/s"], ["rowsps", "rows/s"], ["cpm", "c/m"], ["opm", "ops/m"], ["reqpm", "req/m"], ["rpm", "rd/m"], ["wpm", "wr/m"]] as const) count(id, unit);

/** seconds that a value of these units is. */
const times = new Map([["ns", 1e-9], ["µs", 1e-6], ["ms", 1e-3], ["s", 1], ["m", 60], ["h", 3600], ["d", 86_400]]);
const sizes: [number, string][] = [[31_536_000, "year"], [604_800, "week"], [86_400, "day"], [3600, "hour"], [60, "min"], [1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]];

const plainUnits = new Map([["percent", "%"], ["celsius", " °C"], ["fahrenheit", " °F"], ["degree", "°"], ["humidity", " %H"], ["dB", " dB"], ["dBm", " dBm"], ["pressurembar", " mBar"], ["lengthm", " m"], ["velocityms", " m/s"], ["currencyUSD", " $"], ["currencyEUR", " €"], ["currencyCNY", " ¥"], ["currencyGBP", " £"]]);

/** places behind the point, so that three digits tell. */
function places(v: number): number {
  return !v || Number.isInteger(v) ? 0 : Math.min(20, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(v)))));
}

function digits(v: number, decimals: number | undefined): string {
  const d = decimals ?? places(v);
  return new Intl.NumberFormat(language(), { minimumFractionDigits: decimals ?? 0, maximumFractionDigits: d }).format(v);
}

function prefixed(v: number, s: Scaled, decimals?: number): string {
  let i = s.from ?? 0;
  let n = v;
  while (Math.abs(n) >= s.base && i < s.prefixes.length - 1) {
    n /= s.base;
    i++;
  }
  // One below zero only where the unit begins above one: 0.5 MB is 500 kB.
  while (n !== 0 && Math.abs(n) < 1 && i > 0) {
    n *= s.base;
    i--;
  }
  const p = s.prefixes[i];
  const spaced = p + s.unit;
  return digits(n, decimals) + (spaced && !spaced.startsWith(" ") && !s.unit.startsWith(" ") ? " " : "") + spaced;
}

function time(v: number, decimals?: number): string {
  if (v === 0) return `${digits(0, decimals)} s`;
  const [size, name] = sizes.find(([s]) => Math.abs(v) >= s) ?? [1e-9, "ns"];
  const n = v / size;
  const written = digits(n, decimals);
  return `${written} ${name}${size >= 3600 && written !== "1" ? "s" : ""}`;
}

/** clock is 1:02:03 of seconds. */
function clock(v: number): string {
  const s = Math.floor(Math.abs(v));
  const two = (n: number) => String(n).padStart(2, "0");
  return `${v < 0 ? "-" : ""}${two(Math.floor(s / 3600))}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

function date(ms: number, options: Intl.DateTimeFormatOptions): string {
  const d = new Date(ms);
  return Number.isNaN(d.getTime()) ? "" : new Intl.DateTimeFormat(language(), options).format(d);
}

/** steps of an axis in this unit, where they are not those of tens. */
export function axisSteps(unit: string): number[] | undefined {
  if (scaled.get(unit)?.base === 1024) return Array.from({ length: 70 }, (_, i) => 2 ** (i - 10));
  const second = 1 / (times.get(unit) ?? 0);
  if (!Number.isFinite(second)) return undefined;
  const tens = Array.from({ length: 28 }, (_, i) => [1, 2, 5][i % 3] * 10 ** (Math.floor(i / 3) - 9)).filter((x) => x < 60);
  return [...tens, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, ...[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].map((d) => d * 86_400)].map((s) => s * second);
}

/** format a number. Decimals are fixed if they are given. */
export function format(v: number, unit = "", decimals?: number): string {
  if (!Number.isFinite(v)) return Number.isNaN(v) ? "NaN" : v > 0 ? "∞" : "-∞";
  const s = scaled.get(unit);
  if (s) return prefixed(v, s, decimals);
  const seconds = times.get(unit);
  if (seconds) return time(v * seconds, decimals);
  switch (unit) {
    case "":
    case "none":
    case "string":
      return digits(v, decimals);
    case "percentunit":
      return `${digits(v * 100, decimals)}%`;
    case "sci":
      return v.toExponential(decimals);
    case "hex":
      return Math.round(v).toString(16);
    case "locale":
      return new Intl.NumberFormat(language()).format(v);
    case "dthms":
    case "clocks":
      return clock(v);
    case "dtdurations":
      return time(v, decimals);
    case "dtdurationms":
    case "clockms":
      return time(v / 1000, decimals);
    case "dateTimeAsIso":
    case "dateTimeAsSystem":
    case "dateTimeAsLocal":
    case "dateTimeAsUS":
      return date(v, { dateStyle: "medium", timeStyle: "medium" });
    case "dateTimeFromNow":
      return relative(v);
    case "bool":
      return v ? "True" : "False";
    case "bool_yes_no":
      return v ? "Yes" : "No";
    case "bool_on_off":
      return v ? "On" : "Off";
  }
  const plain = plainUnits.get(unit);
  if (plain) return digits(v, decimals) + plain;
  const [kind, rest] = [unit.slice(0, unit.indexOf(":")), unit.slice(unit.indexOf(":") + 1)];
  switch (kind) {
    case "prefix":
      return rest + digits(v, decimals);
    case "suffix":
      return digits(v, decimals) + rest;
    case "si":
      return prefixed(v, { base: 1000, prefixes: decimal, unit: rest }, decimals);
    case "count":
      return prefixed(v, { base: 1000, prefixes: ["", "K", "M", "B", "T"], unit: ` ${rest}` }, decimals);
    case "time":
      return date(v, { dateStyle: "medium", timeStyle: "medium" });
  }
  return `${digits(v, decimals)} ${unit}`;
}

function relative(ms: number): string {
  const seconds = (ms - Date.now()) / 1000;
  const f = new Intl.RelativeTimeFormat(language(), { numeric: "auto" });
  for (const [size, unit] of [[86_400, "day"], [3600, "hour"], [60, "minute"]] as const) {
    if (Math.abs(seconds) >= size) return f.format(Math.trunc(seconds / size), unit);
  }
  return f.format(Math.trunc(seconds), "second");
}
