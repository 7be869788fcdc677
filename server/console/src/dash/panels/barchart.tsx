// Bars of a table: a group for each of its rows, a bar for each of its columns of numbers.
import { useMemo, useState } from "preact/hooks";
import { language, t } from "../../i18n";
import { dateTime } from "../../lib/format";
import { faded, onTop } from "../colors";
import { type Cell, type Data, rowOf } from "../data";
import { type Field, fieldOf } from "../field";
import type { Scope } from "../interpolate";
import { destinations } from "../links";
import type { Panel } from "../model";
import { along, Axes, type Frame, frameOf, rect, wide } from "./axes";
import { type Box, type Hint, spoken, Tip, useBox } from "./box";
import type { Drawing } from "./context";
import { type Item, Legend } from "./legend";
import { type Scale, scaleOf } from "./scale";
import { tableOf } from "./table";

export interface Bars {
  /** of the groups */
  names: string[];
  columns: { name: string; title: string; field: Field; values: (number | null)[]; refId: string }[];
  /** by whose value the bars of a group are coloured, where one is named */
  by?: { field: Field; values: Cell[] };
  cut: boolean;
}

const mostGroups = 500;
const mostColumns = 40;

const figure = (c: Cell): number | null => (typeof c === "number" && Number.isFinite(c) ? c : null);

/** barsOf what was found: named by the column that the panel says, else by the first of texts, else by the time. */
export function barsOf(panel: Panel, data: Data, scope: Scope, clock: (ms: number) => string = (ms) => dateTime(new Date(ms).toISOString())): Bars {
  const table = tableOf(data);
  const heads = table.columns.map((c, at) => {
    const field = fieldOf(panel, { name: c.name, refId: c.refId, number: c.kind === "number" });
    return { ...c, at, field, title: field.title(c.name, { field: c.name, series: c.name }, scope) };
  });
  const find = (name: string) => heads.find((h) => name !== "" && (h.name === name || h.title === name));
  const x = find(panel.options.get("xField").str()) ?? heads.find((h) => h.kind === "string" && !h.field.custom("hideFrom").get("viz").bool()) ?? heads.find((h) => h.kind === "time");
  const name = (c: Cell) => (c === null ? "" : x?.kind === "time" && typeof c === "number" && !x.field.dated ? clock(c) : x ? x.field.text(c) : "");
  const rows = table.rows.slice(0, mostGroups);
  const numbers = heads.filter((h) => h.kind === "number" && h !== x && !h.field.custom("hideFrom").get("viz").bool());
  const by = find(panel.options.get("colorByField").str());
  return {
    names: rows.map((r, i) => (x ? name(r[x.at]) : String(i + 1))),
    columns: numbers.slice(0, mostColumns).map((h) => ({ name: h.name, title: h.title, field: h.field, refId: h.refId, values: rows.map((r) => figure(r[h.at])) })),
    by: by && { field: by.field, values: rows.map((r) => r[by.at]) },
    cut: table.rows.length > mostGroups || numbers.length > mostColumns,
  };
}

export interface Piece {
  group: number;
  column: number;
  from: number;
  to: number;
  value: number;
}

/** pieces of bars: from zero on, or on those before them; what is below zero goes down by itself. */
export function pieces(columns: (number | null)[][], stacking: string): Piece[] {
  const out: Piece[] = [];
  const groups = columns[0]?.length ?? 0;
  for (let g = 0; g < groups; g++) {
    const whole = stacking === "percent" ? columns.reduce((sum, c) => sum + Math.abs(c[g] ?? 0), 0) || 1 : 1;
    let [up, down] = [0, 0];
    columns.forEach((c, k) => {
      const v = c[g];
      if (v === null || v === undefined) return;
      const size = v / whole;
      const from = stacking === "none" ? 0 : size < 0 ? down : up;
      if (size < 0) down += size;
      else up += size;
      out.push({ group: g, column: k, from, to: from + size, value: v });
    });
  }
  return out;
}

/** room for the names of groups, and how many of them there is room for. */
function naming(names: string[], lying: boolean, width: number, turned: number): { room: number; every: number } {
  const widest = Math.max(10, ...names.map(wide));
  if (lying) return { room: Math.min(widest + 6, width * 0.35), every: 1 };
  const angle = (Math.abs(turned) * Math.PI) / 180;
  const each = Math.abs(turned) > 20 ? 16 : Math.min(widest, 90) + 10;
  return { room: Math.min(120, 18 + widest * Math.sin(angle)), every: Math.max(1, Math.ceil(each / ((width - 60) / Math.max(1, names.length)))) };
}

interface Placed extends Piece {
  box: { x: number; y: number; width: number; height: number };
}

/** placed are pieces in their frame: side by side in a group, or on one another. */
export function placed(list: Piece[], groups: number, columns: number, stacked: boolean, f: Frame, s: Scale, groupWidth: number, barWidth: number): Placed[] {
  const whole = (f.lying ? f.height : f.width) / Math.max(1, groups);
  const group = whole * groupWidth;
  const each = stacked ? group : group / Math.max(1, columns);
  const start = f.lying ? f.top : f.left;
  return list.map((p) => {
    const from = start + p.group * whole + (whole - group) / 2 + (stacked ? 0 : p.column * each) + (each * (1 - barWidth)) / 2;
    return { ...p, box: rect(f, s, Math.max(s.low, p.from), Math.max(s.low, p.to), from, each * barWidth) };
  });
}

const share = (v: number | undefined, otherwise: number) => Math.min(1, Math.max(0.05, v ?? otherwise));

function cutTo(text: string, room: number): string {
  return wide(text) <= room ? text : `${text.slice(0, Math.max(1, Math.floor(room / 7.3) - 1))}…`;
}

export function BarChart(d: Drawing) {
  const day = d.range.to - d.range.from > 86_400_000;
  const bars = useMemo(() => {
    const clock = new Intl.DateTimeFormat(language(), { ...(day ? { month: "2-digit", day: "2-digit" } : {}), hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...(d.utc ? { timeZone: "UTC" } : {}) });
    return barsOf(d.panel, d.data, d.scope, (ms) => clock.format(ms));
  }, [d.data, d.panel, d.scope, day, d.utc, language()]);
  const { ref, width, height }: Box<HTMLDivElement> = useBox();
  const [hint, setHint] = useState<Hint>();
  const [only, setOnly] = useState<number>();
  const o = d.panel.options;
  const stacking = o.get("stacking").str("none");
  const shown = bars.columns.map((c, i) => ({ ...c, i })).filter((c) => only === undefined || c.i === only);
  const first = bars.columns[0]?.field ?? fieldOf(d.panel, { name: "", refId: "", number: true });
  const lying = o.get("orientation").str("auto") === "horizontal" || (o.get("orientation").str("auto") === "auto" && width < height);
  const list = pieces(shown.map((c) => c.values), stacking);
  const s = scaleOf(first, list.map((p) => p.to), lying ? width / 90 : height / 40);
  const text = (v: number) => (stacking === "percent" ? `${Math.round(v * 100)}%` : first.text(v));
  const turned = lying ? 0 : Math.min(90, Math.max(-90, o.get("xTickLabelRotation").num() ?? 0));
  const longest = o.get("xTickLabelMaxLength").num();
  const names = bars.names.map((n) => (longest && n.length > longest ? `${n.slice(0, Math.max(1, longest))}…` : n));
  const { room, every } = naming(names, lying, width, turned);
  const f = frameOf(width, height, lying, s.ticks.map(text), room);
  const all = placed(list, names.length, shown.length, stacking !== "none", f, s, share(o.get("groupWidth").num(), 0.7), share(o.get("barWidth").num(), 0.97));
  const hue = (p: Piece) => (bars.by ? bars.by.field.hue(p.group, bars.by.values[p.group]) : shown[p.column].field.hue(shown[p.column].i, p.value, s.low, s.high));
  const opacity = (p: Piece) => (shown[p.column].field.custom("fillOpacity").num() ?? 80) / 100;
  const whole = (lying ? f.height : f.width) / Math.max(1, names.length);
  const writes = o.get("showValue").str("auto");
  const corner = Math.min(0.5, o.get("barRadius").num() ?? 0);
  const look = (e: MouseEvent) => {
    const box = (e.currentTarget as Element).getBoundingClientRect();
    const [x, y] = [e.clientX - box.left, e.clientY - box.top];
    const g = Math.floor((lying ? y - f.top : x - f.left) / whole);
    setHint(bars.names[g] === undefined || g < 0 ? undefined : { x, y, head: bars.names[g], rows: all.filter((p) => p.group === g).map((p) => ({ color: hue(p), name: shown[p.column].title, text: shown[p.column].field.text(p.value) })) });
  };
  const table = d.data.tables[0];
  const items = bars.columns.map((c, i): Item => {
    const about = { field: c.name, series: c.name, labels: table?.rows.length === 1 ? rowOf(table, table.rows[0]) : new Map<string, string>() };
    return { name: c.title, color: c.field.hue(i, c.values.findLast((v) => v !== null) ?? null, s.low, s.high), values: c.values, field: c.field, refId: c.refId, links: destinations(c.field.links, d.scope, d.range, d.known, about) };
  });
  return (
    <div class={o.get("legend").get("placement").str() === "right" ? "plotted beside" : "plotted"}>
      {bars.cut ? <p class="hint note">{t("moreSeries")}</p> : null}
      <div ref={ref} class="drawing" onMouseMove={look} onMouseLeave={() => setHint(undefined)}>
        {width > 0 ? (
          <svg width={width} height={height} role="img" aria-label={spoken(d.panel.title, bars.names.map((n, g) => `${n}: ${bars.columns.map((c) => `${bars.columns.length > 1 ? `${c.title} ` : ""}${c.field.text(c.values[g])}`).join(", ")}`))}>
            <Axes f={f} s={s} field={first} text={text} />
            {all.map((p) => (
              <rect key={`${p.group} ${p.column}`} {...p.box} rx={corner * Math.min(p.box.width, p.box.height)} fill={faded(hue(p), opacity(p))} stroke={hue(p)} stroke-width={Math.min(10, shown[p.column].field.custom("lineWidth").num() ?? 1)} />
            ))}
            {writes === "never" ? null : all.map((p) => <Written key={`${p.group} ${p.column}`} p={p} text={shown[p.column].field.text(p.value)} f={f} inside={stacking !== "none"} always={writes === "always"} color={onTop(hue(p))} />)}
            {names.map((n, g) => {
              if (g % every) return null;
              const at = (lying ? f.top : f.left) + (g + 0.5) * whole;
              if (lying) return whole < 10 && g % Math.ceil(10 / whole) ? null : <text key={g} class="named" x={f.left - 6} y={at + 4} text-anchor="end">{cutTo(n, room)}</text>;
              const y = f.top + f.height + 14;
              return turned ? (
                <text key={g} class="named" x={at} y={y} text-anchor={turned > 0 ? "start" : "end"} transform={`rotate(${turned} ${at} ${y})`}>{cutTo(n, 115)}</text>
              ) : (
                <text key={g} class="named" x={at} y={y} text-anchor="middle">{cutTo(n, Math.max(20, whole * every))}</text>
              );
            })}
            <path class="zero" d={lying ? `M${along(f, s, 0)} ${f.top}V${f.top + f.height}` : `M${f.left} ${along(f, s, 0)}H${f.left + f.width}`} />
          </svg>
        ) : null}
        <Tip hint={hint} width={width} />
      </div>
      <Legend options={o.get("legend")} items={items} only={only} choose={(i) => setOnly(only === i ? undefined : i)} />
    </div>
  );
}

/** Written is a bar's value: in it, or at its end, where there is room. */
function Written({ p, text, f, inside, always, color }: { p: Placed; text: string; f: Frame; inside: boolean; always: boolean; color: string }) {
  const { x, y, width, height } = p.box;
  const [across, length] = f.lying ? [height, width] : [width, height];
  const size = f.lying ? 12 : wide(text);
  if (!always && (across < size || (inside && length < (f.lying ? wide(text) : 12)))) return null;
  const down = p.value < 0;
  if (inside) return <text class="named" style={{ fill: color }} x={x + width / 2} y={y + height / 2 + 4} text-anchor="middle">{text}</text>;
  if (!f.lying) return <text class="named" x={x + width / 2} y={down ? y + height + 12 : y > f.top + 10 ? y - 4 : y + 12} text-anchor="middle">{text}</text>;
  // At the end of the longest there is no room outside.
  const out = x + width + wide(text) + 6 < f.left + f.width + 20;
  return <text class="named" style={out ? undefined : { fill: color }} x={down ? x - 4 : out ? x + width + 4 : x + width - 4} y={y + height / 2 + 4} text-anchor={down || !out ? "end" : "start"}>{text}</text>;
}
