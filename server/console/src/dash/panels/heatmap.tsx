// How many values fell into each bucket, over time: a square for each, darker the more.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { language } from "../../i18n";
import { faded } from "../colors";
import type { Series } from "../data";
import { format } from "../units";
import type { Drawing } from "./context";
import { align } from "./timeseries";

export interface Heat {
  /** seconds */
  times: number[];
  /** buckets from the least, each with what it has at each time */
  rows: { name: string; top: number; values: (number | null)[] }[];
  most: number;
}

const mostRows = 60;

/** top of a bucket: what its label or its name says. */
function topOf(s: Series): number {
  const text = s.labels.get("le") ?? s.name;
  return text === "+Inf" ? Infinity : text.trim() ? Number(text) : Number.NaN;
}

/** heatOf buckets of a histogram; each has what those before it do not. */
export function heatOf(series: Series[]): Heat {
  const known = series.map((s) => ({ s, top: topOf(s) }));
  const ordered = known.some((k) => !Number.isNaN(k.top)) ? known.filter((k) => !Number.isNaN(k.top)).sort((a, b) => a.top - b.top) : known;
  const kept = ordered.slice(0, mostRows);
  const [times, ...columns] = align(kept.map((k) => k.s));
  const cumulative = kept.length > 0 && kept.every((k) => k.s.labels.has("le"));
  const rows = kept.map((k, i) => ({
    name: k.s.name,
    top: k.top,
    values: times.map((_, t) => {
      const own = columns[i][t] ?? null;
      const below = cumulative && i ? (columns[i - 1][t] ?? 0) : 0;
      return own === null ? null : Math.max(0, own - below);
    }),
  }));
  return { times, rows, most: rows.reduce((m, r) => r.values.reduce<number>((a, v) => Math.max(a, v ?? 0), m), 0) };
}

/** inBuckets counts the values of series themselves, where the panel has them counted. */
export function inBuckets(series: Series[], n = 20): Series[] {
  const all = series.flatMap((s) => s.values.filter((v): v is number => v !== null && Number.isFinite(v)));
  if (!all.length) return [];
  const low = all.reduce((a, b) => Math.min(a, b));
  const high = all.reduce((a, b) => Math.max(a, b));
  const size = (high - low) / n || 1;
  const [times, ...columns] = align(series);
  return Array.from({ length: n }, (_, i) => {
    const inside = (v: number | null | undefined) => typeof v === "number" && Math.min(n - 1, Math.floor((v - low) / size)) === i;
    return { name: String(low + (i + 1) * size), refId: "", labels: new Map(), times: times.map((t) => t * 1000), values: times.map((_, t) => columns.filter((c) => inside(c[t])).length), step: series[0].step };
  });
}

const hue = "#3274D9";

export function Heatmap(d: Drawing) {
  const counted = d.panel.options.get("calculate").bool();
  const heat = useMemo(() => heatOf(counted ? inBuckets(d.data.series) : d.data.series), [d.data, counted]);
  const unit = d.panel.options.get("yAxis").get("unit").str();
  const [under, setUnder] = useState("");
  const canvas = useRef<HTMLCanvasElement>(null);
  const draw = () => {
    const c = canvas.current;
    const ctx = c?.getContext("2d");
    if (!c || !ctx || !c.clientWidth) return;
    c.width = c.clientWidth * devicePixelRatio;
    c.height = c.clientHeight * devicePixelRatio;
    const [w, h] = [c.width / Math.max(1, heat.times.length), c.height / Math.max(1, heat.rows.length)];
    heat.rows.forEach((r, i) =>
      r.values.forEach((v, t) => {
        if (!v) return;
        ctx.fillStyle = faded(hue, 0.12 + 0.88 * Math.sqrt(v / heat.most));
        ctx.fillRect(t * w, c.height - (i + 1) * h, Math.ceil(w), Math.max(1, h - 1));
      }),
    );
  };
  useEffect(() => {
    draw();
    if (!canvas.current) return;
    const size = new ResizeObserver(draw);
    size.observe(canvas.current);
    return () => size.disconnect();
  }, [heat]);
  const name = (r: Heat["rows"][number]) => (Number.isFinite(r.top) ? format(r.top, unit) : r.name);
  const clock = (t: number | undefined) => (t === undefined ? "" : new Intl.DateTimeFormat(language(), { ...(d.range.to - d.range.from > 86_400_000 ? { dateStyle: "short" } : {}), timeStyle: "short", ...(d.utc ? { timeZone: "UTC" } : {}) }).format(t * 1000));
  const marked = [0, 0.25, 0.5, 0.75, 1].map((share) => heat.rows[Math.round(share * (heat.rows.length - 1))]).filter((r, i, l) => r && l.indexOf(r) === i).reverse();
  const look = (e: MouseEvent) => {
    const c = canvas.current;
    if (!c) return;
    const t = Math.floor((e.offsetX / c.clientWidth) * heat.times.length);
    const r = heat.rows[heat.rows.length - 1 - Math.floor((e.offsetY / c.clientHeight) * heat.rows.length)];
    setUnder(r && heat.times[t] !== undefined ? `${clock(heat.times[t])} · ${name(r)}: ${format(r.values[t] ?? 0, "short")}` : "");
  };
  return (
    <div class="heatmap">
      <ul>
        {marked.map((r) => (
          <li key={r.name}>{name(r)}</li>
        ))}
      </ul>
      <canvas ref={canvas} role="img" aria-label={`${d.panel.title}: ${heat.rows.length} × ${heat.times.length}`} onMouseMove={look} onMouseLeave={() => setUnder("")} />
      <p class="hint">
        <span>{clock(heat.times[0])}</span>
        <b>{under}</b>
        <span>{clock(heat.times.at(-1))}</span>
      </p>
    </div>
  );
}
