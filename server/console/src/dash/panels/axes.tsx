// The frame of bars: an axis of values with its lines, drawn upright or lying.
import type { ComponentChildren } from "preact";
import { color, faded } from "../colors";
import type { Field } from "../field";
import type { Scale } from "./scale";

/** Frame is where bars are drawn, in pixels. */
export interface Frame {
  left: number;
  top: number;
  width: number;
  height: number;
  /** values go to the right, and not up */
  lying: boolean;
}

/** wide is about how wide a text is. */
export const wide = (text: string) => [...text].reduce((sum, c) => sum + (c > "\u2e80" ? 13 : 7.3), 0);

/** frameOf a box: room for the values on one side, and for names on the other. */
export function frameOf(width: number, height: number, lying: boolean, values: string[], names: number): Frame {
  const left = 8 + (lying ? names : Math.min(110, Math.max(20, ...values.map(wide))));
  const below = lying ? 20 : names;
  return { left, top: 8, width: Math.max(10, width - left - (lying ? 24 : 8)), height: Math.max(10, height - 8 - below), lying };
}

/** along is where a value is, from the left or from above. */
export function along(f: Frame, s: Scale, v: number): number {
  return f.lying ? f.left + s.at(v) * f.width : f.top + (1 - s.at(v)) * f.height;
}

/** rect of a bar between two values, across from one place to another. */
export function rect(f: Frame, s: Scale, a: number, b: number, from: number, size: number): { x: number; y: number; width: number; height: number } {
  const [p, q] = [along(f, s, a), along(f, s, b)];
  const [start, length] = [Math.min(p, q), Math.abs(p - q)];
  return f.lying ? { x: start, y: from, width: length, height: Math.max(0.5, size) } : { x: from, y: start, width: Math.max(0.5, size), height: length };
}

function Thresholds({ f, s, field }: { f: Frame; s: Scale; field: Field }) {
  const how = field.custom("thresholdsStyle").get("mode").str("off");
  if (how === "off" || field.percentage) return null;
  return (
    <>
      {field.steps.map((step, i) => {
        const c = color(step.color);
        if (!c) return null;
        const from = Math.max(s.low, step.from);
        const to = Math.min(s.high, field.steps[i + 1]?.from ?? s.high);
        const [p, span] = [along(f, s, from), rect(f, s, from, to, f.lying ? f.top : f.left, f.lying ? f.height : f.width)];
        return (
          <g key={i}>
            {how.includes("area") && to > from ? <rect {...span} fill={faded(c, 0.12)} /> : null}
            {how !== "area" && step.from > s.low && step.from < s.high ? (
              <path d={f.lying ? `M${p} ${f.top}V${f.top + f.height}` : `M${f.left} ${p}H${f.left + f.width}`} stroke={c} stroke-dasharray={how.includes("dash") ? "8 6" : undefined} />
            ) : null}
          </g>
        );
      })}
    </>
  );
}

/** Axes are the lines behind the bars, and what they say. */
export function Axes({ f, s, field, text, children }: { f: Frame; s: Scale; field: Field; text: (v: number) => string; children?: ComponentChildren }) {
  // What lies side by side must not lie on one another.
  const room = f.width / Math.max(1, s.ticks.length - 1);
  const every = f.lying ? Math.max(1, Math.ceil((Math.max(0, ...s.ticks.map((v) => wide(text(v)))) + 6) / room)) : 1;
  const hidden = field.custom("axisPlacement").str() === "hidden";
  return (
    <>
      {s.ticks.map((v, i) => {
        const p = along(f, s, v);
        const words = text(v);
        const shown = !hidden && i % every === 0;
        return (
          <g key={v} class="tick">
            <path d={f.lying ? `M${p} ${f.top}V${f.top + f.height}` : `M${f.left} ${p}H${f.left + f.width}`} />
            {shown ? f.lying ? <text x={p} y={f.top + f.height + 14} text-anchor="middle">{words}</text> : <text x={f.left - 6} y={p + 4} text-anchor="end">{words}</text> : null}
          </g>
        );
      })}
      <Thresholds f={f} s={s} field={field} />
      {children}
    </>
  );
}
