// Values as shares of a whole: a pie, or one with a hole.
import { useState } from "preact/hooks";
import { t } from "../../i18n";
import { onTop } from "../colors";
import { format } from "../units";
import { type Box, type Hint, spoken, Tip, useBox } from "./box";
import type { Drawing } from "./context";
import { type Figure, type Item, Legend } from "./legend";
import { type Shown, shown } from "./values";

/** shares of what is above zero; the rest of it has none. */
export function shares(values: (number | string | null)[]): number[] {
  const real = values.map((v) => (typeof v === "number" && Number.isFinite(v) && v > 0 ? v : 0));
  const most = real.reduce((a, b) => Math.max(a, b), 0);
  const sum = real.reduce((a, b) => a + b / (most || 1), 0); // of figures that together are too large for one
  return real.map((v) => (sum ? v / (most || 1) / sum : 0));
}

/** slice is a part of a ring between two radii, from one share of the turn to another, from the top on. */
export function slice(from: number, to: number, outer: number, inner: number): string {
  const at = (share: number, r: number) => `${(r * Math.sin(2 * Math.PI * share)).toFixed(2)} ${(-r * Math.cos(2 * Math.PI * share)).toFixed(2)}`;
  // An arc that ends where it begins is none: a whole turn is made of two.
  const way = (a: number, b: number, r: number) => {
    const parts = Math.abs(b - a) > 0.999 ? [(a + b) / 2, b] : [b];
    return parts.map((p) => `A${r} ${r} 0 ${parts.length === 1 && Math.abs(b - a) > 0.5 ? 1 : 0} ${b > a ? 1 : 0} ${at(p, r)}`).join("");
  };
  return inner > 0 ? `M${at(from, outer)}${way(from, to, outer)}L${at(to, inner)}${way(to, from, inner)}Z` : `M0 0L${at(from, outer)}${way(from, to, outer)}Z`;
}

interface Part extends Shown {
  share: number;
  from: number;
  hue: string;
  percent: string;
}

/** partsOf a panel's values, in the order in which they go around. */
export function partsOf(d: Drawing): Part[] {
  const all = shown(d).filter((s) => !s.field.custom("hideFrom").get("viz").bool());
  const of = shares(all.map((s) => s.value));
  const parts = all.map((s, i) => ({ ...s, share: of[i], from: 0, hue: s.field.hue(i, s.value, s.least, s.most), percent: format(of[i] * 100, "percent", s.field.decimals ?? 0) }));
  const order = d.panel.options.get("sort").str("desc");
  if (order !== "none") parts.sort((a, b) => (order === "asc" ? a.share - b.share : b.share - a.share));
  let at = 0;
  for (const p of parts) {
    p.from = at;
    at += p.share;
  }
  return parts;
}

const radius = 96;
/** the least share that something can be written on */
const legible = 0.04;

/** labelled is what is written on a part: its name where that has room, its value, its share; so many letters of the name. */
function labelled(p: Part, labels: string[], most: number): string[] {
  const name = p.name.length > most ? `${p.name.slice(0, Math.max(1, most - 1))}…` : p.name;
  return [["name", name], ["value", p.text], ["percent", p.percent]].filter(([l]) => labels.includes(l) && (l !== "name" || p.share >= legible * 2)).map(([, words]) => words);
}

export function PieChart(d: Drawing) {
  const parts = partsOf(d);
  const { ref, width, height }: Box<HTMLDivElement> = useBox();
  const [hint, setHint] = useState<Hint>();
  const [only, setOnly] = useState<number>();
  const o = d.panel.options;
  const inner = o.get("pieType").str() === "donut" ? radius * 0.5 : 0;
  const labels = o.get("displayLabels").strs(3, 20);
  const wanted = o.get("legend").get("values").strs(3, 20);
  const figures: Figure[] = [
    { name: t("calcValue"), text: (_: Item, i: number) => parts[i].text, of: "value" },
    { name: t("calcPercent"), text: (_: Item, i: number) => parts[i].percent, of: "percent" },
  ].filter((f) => wanted.includes(f.of));
  const items = parts.map((p): Item => ({ name: p.name, color: p.hue, values: [], field: p.field, refId: p.refId, links: p.links }));
  const point = (e: MouseEvent, p: Part) => {
    const box = (e.currentTarget as Element).closest(".pie")?.getBoundingClientRect();
    if (box) setHint({ x: e.clientX - box.left, y: e.clientY - box.top, rows: [{ color: p.hue, name: p.name, text: `${p.text} (${p.percent})` }] });
  };
  const size = Math.min(width, height);
  const letter = Math.min(11, Math.max(5, 2400 / size));
  const middle = inner ? (radius + inner) / 2 : radius * 0.66;
  return (
    <div class={o.get("legend").get("placement").str() === "right" ? "plotted beside" : "plotted"}>
      <div ref={ref} class="pie">
        {size > 0 ? (
          <svg viewBox="-100 -100 200 200" width={size} height={size} role="img" aria-label={spoken(d.panel.title, parts.map((p) => `${p.name}: ${p.text}, ${p.percent}`))}>
            {parts.map((p, i) =>
              p.share > 0 ? <path key={i} d={slice(p.from, p.from + p.share, radius, inner)} fill={p.hue} class={only === undefined || only === i ? undefined : "off"} onMouseMove={(e) => point(e, p)} onMouseLeave={() => setHint(undefined)} /> : null,
            )}
            {parts.map((p, i) => {
              const lines = p.share < legible ? [] : labelled(p, labels, Math.floor((inner ? radius - inner : radius * 0.75) / letter / 0.6));
              const turn = 2 * Math.PI * (p.from + p.share / 2);
              const r = p.share > 0.999 && !inner ? 0 : middle;
              const [x, y] = [r * Math.sin(turn), -r * Math.cos(turn)];
              return lines.length ? (
                <text key={i} x={x.toFixed(1)} y={y.toFixed(1)} fill={onTop(p.hue)} font-size={letter}>
                  {lines.map((l, k) => (
                    <tspan key={k} x={x.toFixed(1)} dy={k ? "1.1em" : `${(0.35 - 0.55 * (lines.length - 1)).toFixed(2)}em`}>
                      {l}
                    </tspan>
                  ))}
                </text>
              ) : null;
            })}
          </svg>
        ) : null}
        <Tip hint={hint} width={width} />
      </div>
      <Legend options={o.get("legend")} items={items} only={only} choose={(i) => setOnly(only === i ? undefined : i)} figures={figures} />
    </div>
  );
}
