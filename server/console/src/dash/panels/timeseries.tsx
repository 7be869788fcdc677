// Values over time.
import { useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { language } from "../../i18n";
import { cssColor, Plot, verticals } from "../../lib/plot";
import { color, faded, ofPalette } from "../colors";
import { calc, type Series } from "../data";
import { type Field, fieldOf } from "../field";
import { axisSteps } from "../units";
import { type Destination, destinations } from "../links";
import type { Drawing } from "./context";
import { Legend, type Item } from "./legend";
import { tooltip } from "./tooltip";

export const mostLines = 100;

/** align puts series on one axis of times (seconds): undefined where one has no sample by its own step, null where it has a gap. */
export function align(series: Series[]): [number[], ...(number | null | undefined)[][]] {
  const maps = series.map((s) => {
    const m = new Map<number, number | null>();
    let before: number | undefined;
    s.times.forEach((t, i) => {
      if (s.step && before !== undefined && t - before > s.step * 1.5) m.set(before + s.step, null);
      m.set(t, s.values[i]);
      before = t;
    });
    return m;
  });
  const times = [...new Set(maps.flatMap((m) => [...m.keys()]))].sort((a, b) => a - b);
  return [times.map((t) => t / 1000), ...maps.map((m) => times.map((t) => (m.has(t) ? m.get(t) : undefined)))];
}

/** stack puts each series on those before it, in its group. */
export function stack(columns: (number | null | undefined)[][], groups: string[], percent: boolean): (number | null)[][] {
  const n = columns[0]?.length ?? 0;
  const sums = new Map<string, number[]>();
  const totals = new Map<string, number[]>();
  columns.forEach((c, k) => {
    const t = totals.get(groups[k]) ?? Array<number>(n).fill(0);
    totals.set(groups[k], t.map((x, i) => x + (c[i] ?? 0)));
  });
  return columns.map((c, k) => {
    const s = sums.get(groups[k]) ?? Array<number>(n).fill(0);
    const next = s.map((x, i) => x + (c[i] ?? 0));
    sums.set(groups[k], next);
    return percent ? next.map((x, i) => (totals.get(groups[k])?.[i] ? x / (totals.get(groups[k])?.[i] ?? 1) : 0)) : next;
  });
}

interface Line {
  series: Series;
  field: Field;
  name: string;
  stroke: () => string;
  links: Destination[];
}

function linesOf(d: Drawing): Line[] {
  return d.data.series.slice(0, mostLines).flatMap((series, i) => {
    const field = fieldOf(d.panel, { name: series.name, refId: series.refId, number: true });
    if (field.custom("hideFrom").get("viz").bool()) return [];
    const about = { series: series.name, field: series.name, labels: series.labels };
    return [{ series, field, name: field.title(series.name, about, d.scope), stroke: () => field.line(i, calc("lastNotNull", series.values)), links: destinations(field.links, d.scope, d.range, d.known, about) }];
  });
}

const below = (f: Field) => f.custom("transform").str() === "negative-Y";

/** turned are the values as they are drawn: below the axis, where the panel wants them so. */
export function turned(column: (number | null | undefined)[], down: boolean): (number | null | undefined)[] {
  return down ? column.map((v) => (typeof v === "number" ? -v : v)) : column;
}

function path(f: Field): uPlot.Series.PathBuilder | undefined {
  const paths = uPlot.paths;
  switch (f.custom("drawStyle").str()) {
    case "bars":
      return paths.bars?.({ size: [0.8, 60], align: 0 });
    case "points":
      return () => null;
  }
  switch (f.custom("lineInterpolation").str()) {
    case "smooth":
      return paths.spline?.();
    case "stepBefore":
      return paths.stepped?.({ align: -1 });
    case "stepAfter":
      return paths.stepped?.({ align: 1 });
  }
  return undefined;
}

const scaleOf = (f: Field) => `y ${f.unit} ${f.custom("axisPlacement").str()}`;
const mode = (f: Field) => f.custom("stacking").get("mode").str("none");

function seriesOf(l: Line, bars: boolean): uPlot.Series {
  const f = l.field;
  const points = f.custom("showPoints").str("auto");
  const alone = l.series.values.filter((v) => v !== null).length === 1;
  const dash = f.custom("lineStyle").get("fill").str() === "dash" ? f.custom("lineStyle").get("dash").list(10).map((x) => x.num() ?? 5) : undefined;
  const opacity = (f.custom("fillOpacity").num() ?? 0) / 100;
  const span = f.custom("spanNulls");
  return {
    label: l.name,
    scale: scaleOf(f),
    stroke: () => l.stroke(),
    width: bars ? 1 : Math.min(10, f.custom("lineWidth").num() ?? 1.5),
    fill: opacity ? () => faded(l.stroke(), opacity) : undefined,
    dash: dash?.length ? dash : undefined,
    spanGaps: span.bool() || (span.num() ?? 0) > l.series.step,
    points: { show: alone || points === "always" || f.custom("drawStyle").str() === "points" ? true : points === "never" ? false : undefined, size: Math.min(20, f.custom("pointSize").num() ?? 5) },
    paths: path(f),
  };
}

/** bounds of an axis: what the panel says, else the data with some room. */
function bounds(f: Field): uPlot.Scale.Range {
  return (_u, low, high) => {
    const least = f.min ?? Math.min(low ?? 0, f.custom("axisSoftMin").num() ?? Infinity);
    const most = f.max ?? Math.max(high ?? 1, f.custom("axisSoftMax").num() ?? -Infinity);
    let [a, b] = uPlot.rangeNum(least, most > least ? most : least + (Math.abs(least) || 1), 0.1, true);
    a = f.min ?? a ?? 0;
    b = f.max ?? b ?? 1;
    return b > a ? [a, b] : [a, a + 1];
  };
}

function times(utc: boolean): uPlot.Axis.DynamicValues {
  const zone = utc ? { timeZone: "UTC" } : {};
  const day = new Intl.DateTimeFormat(language(), { month: "2-digit", day: "2-digit", ...zone });
  const minute = new Intl.DateTimeFormat(language(), { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...zone });
  const second = new Intl.DateTimeFormat(language(), { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", ...zone });
  return (u, splits, _axis, _space, step) => {
    const long = (u.scales.x.max ?? 0) - (u.scales.x.min ?? 0) > 86_400;
    return splits.map((s) => {
      const t = new Date(s * 1000);
      if (step >= 86_400) return day.format(t);
      return step < 60 ? second.format(t) : long ? `${day.format(t)} ${minute.format(t)}` : minute.format(t);
    });
  };
}

function thresholds(u: uPlot, f: Field): void {
  const how = f.custom("thresholdsStyle").get("mode").str("off");
  if (how === "off" || !f.steps.length) return;
  const { ctx, bbox } = u;
  const scale = scaleOf(f);
  const y = (v: number) => Math.min(bbox.top + bbox.height, Math.max(bbox.top, u.valToPos(v, scale, true)));
  ctx.save();
  f.steps.forEach((s, i) => {
    const c = color(s.color);
    if (!c) return;
    const from = y(Number.isFinite(s.from) ? s.from : (u.scales[scale]?.min ?? 0));
    if (how.includes("area")) {
      const to = y(f.steps[i + 1]?.from ?? u.scales[scale]?.max ?? 0);
      ctx.fillStyle = faded(c, 0.12);
      ctx.fillRect(bbox.left, to, bbox.width, from - to);
    }
    if (how !== "area" && Number.isFinite(s.from) && s.from >= (u.scales[scale]?.min ?? 0) && s.from <= (u.scales[scale]?.max ?? 0)) {
      ctx.strokeStyle = c;
      ctx.lineWidth = devicePixelRatio;
      ctx.setLineDash(how.includes("dash") ? [8 * devicePixelRatio, 6 * devicePixelRatio] : []);
      ctx.beginPath();
      ctx.moveTo(bbox.left, from);
      ctx.lineTo(bbox.left + bbox.width, from);
      ctx.stroke();
    }
  });
  ctx.restore();
}

/** now is what changes while the plot stays the same one. */
interface Now {
  drawing: Drawing;
  lines: Line[];
  columns: (number | null | undefined)[][];
}

function optionsOf(now: () => Now): Omit<uPlot.Options, "width" | "height"> {
  const { drawing, lines } = now();
  const byScale = new Map(lines.map((l) => [scaleOf(l.field), l.field]));
  const soft = { stroke: () => cssColor("--text-soft"), grid: { stroke: () => cssColor("--line"), width: 1 }, ticks: { show: false } };
  const axes: uPlot.Axis[] = [{ ...soft, values: times(drawing.utc), space: 90, size: 26 }];
  let n = 0;
  for (const [scale, f] of byScale) {
    const placed = f.custom("axisPlacement").str("auto");
    const right = placed === "right" || (placed === "auto" && n > 0);
    n++;
    axes.push({
      ...soft,
      scale,
      show: placed !== "hidden" && n < 4,
      side: right ? 1 : 3,
      grid: right ? { show: false } : soft.grid,
      label: f.custom("axisLabel").str() || undefined,
      labelSize: 18,
      incrs: axisSteps(f.unit),
      values: (_u, splits) => splits.map((v) => (mode(f) === "percent" ? `${Math.round(v * 100)}%` : f.text(v))),
      size: (_u, values) => 14 + 6.6 * Math.min(16, Math.max(2, ...(values ?? []).map((v) => v.length))),
    });
  }
  const bars = lines.some((l) => l.field.custom("drawStyle").str() === "bars");
  return {
    legend: { show: false },
    cursor: {
      y: false,
      drag: { x: true, y: false, setScale: false },
      ...(drawing.crosshair ? { sync: { key: "dashboard", filters: { pub: (type: string) => type === "mousemove" || type === "mouseleave" } } } : {}),
    },
    scales: {
      x: { time: true, range: () => [now().drawing.range.from / 1000, now().drawing.range.to / 1000] },
      ...Object.fromEntries(
        [...byScale].map(([scale, f]) => [
          scale,
          f.custom("scaleDistribution").get("type").str() === "log" ? { distr: 3 as const, log: f.custom("scaleDistribution").get("log").num() === 2 ? (2 as const) : (10 as const) } : { range: mode(f) === "percent" ? ([0, 1] as [number, number]) : bounds(f) },
        ]),
      ),
    },
    axes,
    series: [{}, ...lines.map((l, i) => ({ ...seriesOf(l, bars), stroke: () => now().lines[i]?.stroke() ?? ofPalette(i) }))],
    bands: lines.flatMap((l, i) => {
      const under = lines.slice(0, i).findLastIndex((o) => mode(o.field) !== "none" && scaleOf(o.field) === scaleOf(l.field) && group(o.field) === group(l.field));
      return mode(l.field) !== "none" && under >= 0 ? [{ series: [i + 1, under + 1] as [number, number] }] : [];
    }),
    plugins: [
      tooltip((i) => {
        const at = now();
        return at.lines.flatMap((l, k) => l.field.custom("hideFrom").get("tooltip").bool() ? [] : [{ at: k,  name: l.name, color: l.stroke(), value: at.columns[k]?.[i], text: l.field.text(at.columns[k]?.[i] ?? null) }]);
      }, drawing.utc),
    ],
    hooks: {
      drawAxes: [(u) => byScale.forEach((f) => thresholds(u, f))],
      draw: [
        (u) => {
          const shown = verticals(u, now().drawing.marks.map((m) => ({ at: m.time / 1000, label: m.title.slice(0, 24), color: color(m.color) ?? cssColor("--accent") })));
          const holder = u.root.parentElement;
          if (holder) holder.dataset.marks = String(shown.length);
        },
      ],
      setSelect: [
        (u) => {
          if (u.select.width < 6) return;
          const [a, b] = [u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x")];
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          now().drawing.zoom(Math.round(a * 1000), Math.round(b * 1000));
        },
      ],
    },
  };
}

// What goes up and what goes down are two stacks.
const group = (f: Field) => f.custom("stacking").get("group").str("A") + (below(f) ? " below" : "");

export function TimeSeries(d: Drawing) {
  const lines = useMemo(() => linesOf(d), [d.data, d.panel]);
  const { data, columns } = useMemo(() => {
    const [xs, ...columns] = align(lines.map((l) => l.series));
    const ys = columns.map((c, i) => turned(c, below(lines[i].field)));
    const stacked = lines.flatMap((l, i) => (mode(l.field) === "none" ? [] : [i]));
    if (!stacked.length) return { data: [xs, ...ys] as uPlot.AlignedData, columns };
    const on = stack(stacked.map((i) => ys[i]), stacked.map((i) => scaleOf(lines[i].field) + group(lines[i].field)), lines.some((l) => mode(l.field) === "percent"));
    const drawn = ys.map((c, i) => (stacked.includes(i) ? on[stacked.indexOf(i)] : c));
    return { data: [xs, ...drawn] as uPlot.AlignedData, columns };
  }, [lines]);
  const now = useRef<Now>({ drawing: d, lines, columns });
  now.current = { drawing: d, lines, columns };
  // The same names in the same way are the same plot, with other data.
  const shape = JSON.stringify([d.panel.key, language(), d.crosshair, lines.map((l) => [l.name, l.series.step, l.field.unit, l.series.values.length === 1])]);
  const options = useMemo(() => optionsOf(() => now.current), [shape, d.panel]);
  const plot = useRef<uPlot>();
  const [only, setOnly] = useState<number>();
  const choose = (i: number) => {
    const next = only === i ? undefined : i;
    setOnly(next);
    plot.current?.batch(() => lines.forEach((_, k) => plot.current?.setSeries(k + 1, { show: next === undefined || next === k })));
  };
  const items = lines.map((l): Item => ({ name: l.name, color: l.stroke(), values: l.series.values, field: l.field, refId: l.series.refId, links: l.links }));
  const right = d.panel.options.get("legend").get("placement").str() === "right";
  return (
    <div class={right ? "plotted beside" : "plotted"}>
      <Plot
        options={options}
        data={data}
        label={d.panel.title}
        class="plot"
        over={d.marks}
        made={(u) => {
          plot.current = u;
          if (!u) setOnly(undefined);
        }}
      />
      <Legend options={d.panel.options.get("legend")} items={items} only={only} choose={choose} />
    </div>
  );
}
