// What was when: a lane for each series, in which each value lasts until the next (state
// timeline), or has a cell of its own (status history).
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { language } from "../../i18n";
import { cssColor } from "../../lib/plot";
import { dark, faded, onTop, onScale } from "../colors";
import type { Cell, Data } from "../data";
import { type Field, fieldOf } from "../field";
import type { About } from "../links";
import { type Box, type Hint, spoken, Tip, useBox } from "./box";
import type { Drawing } from "./context";

export interface Span {
  /** milliseconds */
  from: number;
  to: number;
  text: string;
  color: string;
}

interface Samples {
  name: string;
  refId: string;
  about: About;
  times: number[];
  values: Cell[];
  /** between two values, to know a gap; 0 where none is one */
  step: number;
  number: boolean;
}

export interface Lane {
  name: string;
  field: Field;
  spans: Span[];
}

const mostLanes = 200;

/** samplesOf series, and of the columns of tables that have a time. */
export function samplesOf(data: Data): Samples[] {
  const out: Samples[] = data.series.map((s) => ({ name: s.name, refId: s.refId, about: { series: s.name, field: s.name, labels: s.labels }, times: s.times, values: s.values, step: s.step, number: true }));
  for (const t of data.tables) {
    const at = t.columns.findIndex((c) => c.kind === "time");
    if (at < 0) continue;
    const rows = t.rows.filter((r) => typeof r[at] === "number").sort((a, b) => Number(a[at]) - Number(b[at]));
    t.columns.forEach((c, i) => {
      if (i !== at) out.push({ name: c.name, refId: c.refId, about: { series: c.name, field: c.name }, times: rows.map((r) => Number(r[at])), values: rows.map((r) => r[i]), step: 0, number: c.kind === "number" });
    });
  }
  return out.slice(0, mostLanes);
}

/** hues colours values: by the panel's rule, else texts each by its own of the palette. */
export function hues(field: Field, least: number, most: number): (v: Cell) => string {
  const known: Cell[] = [];
  return (v) => {
    const own = field.own(v);
    if (own) return own;
    if (typeof v === "number" && !field.mode) return onScale("continuous-GrYlRd", field.share(v, field.min ?? least, field.max ?? most)) ?? field.hue(0, v);
    if (!known.includes(v) && known.length < 100) known.push(v);
    return field.hue(Math.max(0, known.indexOf(v)), v, field.min ?? least, field.max ?? most);
  };
}

/** lasting are values that last until the next one; those that are the same are one. */
export function lasting(s: Samples, end: number, look: (v: Cell) => { text: string; color: string }, merge: boolean, connect: boolean): Span[] {
  const out: Span[] = [];
  s.times.forEach((t, i) => {
    const v = s.values[i];
    if (v === null) return;
    let next = i + 1;
    while (connect && next < s.times.length && s.values[next] === null) next++;
    const until = s.times[next] ?? (s.step ? Math.min(end, t + s.step) : end);
    const to = s.step && !connect ? Math.min(until, t + s.step * 1.5 > until ? until : t + s.step) : until;
    const last = out.at(-1);
    const { text, color } = look(v);
    if (merge && last && last.to === t && last.text === text && last.color === color) last.to = to;
    else out.push({ from: t, to, text, color });
  });
  return out;
}

/** cells are values each in its own, as wide as there is time between two. */
export function cells(s: Samples, wide: number, look: (v: Cell) => { text: string; color: string }): Span[] {
  const gaps = s.times.slice(1).map((t, i) => t - s.times[i]).filter((g) => g > 0);
  const step = s.step || gaps.reduce((a, b) => Math.min(a, b), Infinity);
  const half = (Number.isFinite(step) ? step : 60_000) * wide * 0.5;
  return s.times.flatMap((t, i) => (s.values[i] === null ? [] : [{ from: t - half, to: t + half, ...look(s.values[i]) }]));
}

function lanesOf(d: Drawing, history: boolean): Lane[] {
  const o = d.panel.options;
  const all = samplesOf(d.data).map((s) => ({ s, field: fieldOf(d.panel, { name: s.name, refId: s.refId, number: s.number }) }));
  const numbers = all.flatMap(({ s }) => s.values.filter((v): v is number => typeof v === "number" && Number.isFinite(v)));
  const [least, most] = [numbers.reduce((a, b) => Math.min(a, b), Infinity), numbers.reduce((a, b) => Math.max(a, b), -Infinity)];
  return all.flatMap(({ s, field }) => {
    if (field.custom("hideFrom").get("viz").bool()) return [];
    const hue = hues(field, least, most);
    const look = (v: Cell) => ({ text: (history ? undefined : field.band(v)) ?? field.text(v), color: hue(v) });
    const span = field.custom("spanNulls");
    const spans = history ? cells(s, Math.min(1, o.get("colWidth").num() ?? 0.9), look) : lasting(s, d.range.to, look, o.get("mergeValues").bool(true), span.bool() || (span.num() ?? 0) > s.step);
    return [{ name: field.title(s.name, s.about, d.scope), field, spans }];
  });
}

const leastLane = 20;

function Spans({ d, history }: { d: Drawing; history: boolean }) {
  const lanes = useMemo(() => lanesOf(d, history), [d.data, d.panel, d.scope, d.range.to, history, dark()]);
  const { ref, width, height }: Box<HTMLDivElement> = useBox();
  const outer = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [hint, setHint] = useState<Hint>();
  const o = d.panel.options;
  const [from, to] = [d.range.from, d.range.to];
  const lane = lanes.length ? Math.max(leastLane, (height - 22) / lanes.length) : leastLane;
  const tall = lane * lanes.length;
  const share = Math.min(1, Math.max(0.1, o.get("rowHeight").num() ?? 0.9));
  const writes = o.get("showValue").str("auto");
  const side = o.get("alignValue").str("left");
  useEffect(() => {
    const c = canvas.current;
    const ctx = c?.getContext("2d");
    if (!c || !ctx || !c.clientWidth) return;
    c.width = Math.round(c.clientWidth * devicePixelRatio);
    c.height = Math.round(tall * devicePixelRatio);
    ctx.scale(devicePixelRatio, devicePixelRatio);
    const w = c.clientWidth;
    const at = (t: number) => ((t - from) / (to - from)) * w;
    ctx.font = "12px system-ui, sans-serif";
    ctx.textBaseline = "middle";
    ctx.strokeStyle = cssColor("--line");
    lanes.forEach((l, i) => {
      const [y, h] = [i * lane + (lane * (1 - share)) / 2, lane * share];
      const opacity = (l.field.custom("fillOpacity").num() ?? 70) / 100;
      const line = Math.min(10, l.field.custom("lineWidth").num() ?? (history ? 1 : 0));
      for (const s of l.spans) {
        const [a, b] = [Math.max(0, at(s.from)), Math.min(w, at(s.to))];
        if (b <= 0 || a >= w) continue;
        const size = Math.max(1, b - a);
        ctx.fillStyle = faded(s.color, opacity);
        ctx.fillRect(a, y, size, h);
        if (line && size > 3) {
          ctx.strokeStyle = s.color;
          ctx.lineWidth = line;
          ctx.strokeRect(a + line / 2, y + line / 2, size - line, h - line);
        }
        if (writes === "never" || h < 12) continue;
        const room = ctx.measureText(s.text).width;
        if (writes !== "always" && room + 8 > size) continue;
        ctx.save();
        ctx.beginPath();
        ctx.rect(a, y, size, h);
        ctx.clip();
        ctx.fillStyle = opacity > 0.5 ? onTop(s.color) : cssColor("--text");
        ctx.textAlign = side === "center" ? "center" : side === "right" ? "right" : "left";
        ctx.fillText(s.text, side === "center" ? (a + b) / 2 : side === "right" ? b - 4 : a + 4, y + h / 2);
        ctx.restore();
      }
    });
  }, [lanes, width, lane, tall, share, writes, side, from, to]);
  const clock = useMemo(() => new Intl.DateTimeFormat(language(), { ...(to - from > 86_400_000 ? { month: "2-digit", day: "2-digit" } : {}), hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...(d.utc ? { timeZone: "UTC" } : {}) }), [from, to, d.utc, language()]);
  const exact = useMemo(() => new Intl.DateTimeFormat(language(), { dateStyle: "medium", timeStyle: "medium", ...(d.utc ? { timeZone: "UTC" } : {}) }), [d.utc, language()]);
  const look = (e: MouseEvent) => {
    const c = canvas.current;
    if (!c || !outer.current) return;
    const t = from + (e.offsetX / c.clientWidth) * (to - from);
    const l = lanes[Math.floor(e.offsetY / lane)];
    const s = l?.spans.find((x) => x.from <= t && t < x.to);
    const box = outer.current.getBoundingClientRect();
    setHint(s ? { x: e.clientX - box.left, y: e.clientY - box.top, head: history ? exact.format((s.from + s.to) / 2) : `${exact.format(Math.max(from, s.from))} – ${exact.format(Math.min(to, s.to))}`, rows: [{ color: s.color, name: l.name, text: s.text }] } : undefined);
  };
  const legend = new Map(lanes.flatMap((l) => l.spans.map((s) => [`${s.color} ${s.text}`, s] as const)));
  const continuous = lanes.some((l) => !l.field.mode || l.field.mode.startsWith("continuous")) && legend.size > 12;
  const keys = continuous || !o.get("legend").get("showLegend").bool(true) || o.get("legend").get("displayMode").str() === "hidden" ? [] : [...legend.values()].slice(0, 40);
  return (
    <div class={o.get("legend").get("placement").str() === "right" ? "plotted beside" : "plotted"}>
      <div ref={outer} class="spans">
        <div ref={ref} class="lanes" tabIndex={0}>
          <ul style={{ height: `${tall}px` }}>
            {lanes.map((l, i) => (
              <li key={i} style={{ height: `${lane}px`, lineHeight: `${lane}px` }} title={l.name}>
                {l.name}
              </li>
            ))}
          </ul>
          <canvas ref={canvas} style={{ height: `${tall}px` }} role="img" aria-label={spoken(d.panel.title, lanes.map((l) => `${l.name}: ${l.spans.at(-1)?.text ?? "–"}`))} onMouseMove={look} onMouseLeave={() => setHint(undefined)} />
          <p class="hint times">
            {[0, 0.25, 0.5, 0.75, 1].map((x) => (
              <span key={x}>{clock.format(from + (to - from) * x)}</span>
            ))}
          </p>
        </div>
        <Tip hint={hint} width={width} />
      </div>
      {keys.length ? (
        <ul class="legend">
          {keys.map((s) => (
            <li key={`${s.color} ${s.text}`}>
              <span class="key">
                <i style={{ background: s.color }} />
                <span>{s.text}</span>
              </span>
            </li>
          ))}
        </ul>
      ) : null}
    </div>
  );
}

export function StateTimeline(d: Drawing) {
  return <Spans d={d} history={false} />;
}

export function StatusHistory(d: Drawing) {
  return <Spans d={d} history />;
}
