// An axis of numbers: from where to where it goes, and where its lines are.
import type { Field } from "../field";
import { axisSteps } from "../units";

export interface Scale {
  low: number;
  high: number;
  ticks: number[];
  /** where a value is, from 0 to 1 */
  at: (v: number) => number;
}

/** stepOf an axis so that at most so many of its lines are between two values. */
export function stepOf(span: number, most: number, steps?: number[]): number {
  const least = span / Math.max(1, most);
  const known = steps?.find((s) => s >= least);
  if (known) return known;
  const ten = 10 ** Math.floor(Math.log10(least));
  return ([1, 2, 2.5, 5].find((n) => n * ten >= least * (1 - 1e-9)) ?? 10) * ten;
}

/** round takes away what binary fractions leave behind. */
const round = (v: number) => Number(v.toPrecision(12));

/** linear is an axis over what there is; a least or a most that is given stays as it is. */
export function linear(low: number, high: number, most: number, fixed: { min?: number; max?: number } = {}, steps?: number[]): Scale {
  let [a, b] = [fixed.min ?? low, fixed.max ?? high];
  if (!(b > a)) [a, b] = fixed.min === undefined && fixed.max !== undefined ? [b - (Math.abs(b) || 1), b] : [a, a + (Math.abs(a) || 1)];
  const step = stepOf(b - a, most, steps);
  if (fixed.min === undefined) a = Math.floor(round(a / step)) * step;
  if (fixed.max === undefined) b = Math.ceil(round(b / step)) * step;
  const first = Math.ceil(round(a / step));
  const ticks = Array.from({ length: Math.min(200, Math.max(0, Math.floor(round(b / step)) - first + 1)) }, (_, i) => round((first + i) * step));
  return { low: a, high: b, ticks, at: (v) => Math.min(1, Math.max(0, (v - a) / (b - a))) };
}

/** logarithmic is one of powers of ten, or of two. */
export function logarithmic(low: number, high: number, base: 2 | 10): Scale {
  const log = base === 2 ? Math.log2 : Math.log10;
  const from = Math.floor(log(low > 0 ? low : base === 2 ? 1 : 0.1));
  const to = Math.max(from + 1, Math.ceil(log(high > 0 ? high : 1)));
  const skip = Math.ceil((to - from) / 10);
  const ticks = Array.from({ length: Math.floor((to - from) / skip) + 1 }, (_, i) => base ** (from + i * skip));
  return { low: base ** from, high: base ** to, ticks, at: (v) => (v > 0 ? Math.min(1, Math.max(0, (log(v) - from) / (to - from))) : 0) };
}

/** scaleOf a field's values: from 0 on, unless the panel says otherwise. */
export function scaleOf(field: Field, values: number[], most: number): Scale {
  const low = values.reduce((a, b) => Math.min(a, b), Math.min(0, field.custom("axisSoftMin").num() ?? 0));
  const high = values.reduce((a, b) => Math.max(a, b), Math.max(0, field.custom("axisSoftMax").num() ?? 0));
  const scale = field.custom("scaleDistribution");
  if (scale.get("type").str() === "log") {
    return logarithmic(field.min ?? values.filter((v) => v > 0).reduce((a, b) => Math.min(a, b), high), field.max ?? high, scale.get("log").num() === 2 ? 2 : 10);
  }
  return linear(low, high, most, field, axisSteps(field.unit));
}
