// How many values fell between which: bars side by side, of each series or of all together.
import { useMemo, useState } from "preact/hooks";
import { t } from "../../i18n";
import { faded } from "../colors";
import type { Data } from "../data";
import { Field, fieldOf } from "../field";
import { In } from "../json";
import type { About } from "../links";
import { Axes, frameOf, rect, wide } from "./axes";
import { type Box, type Hint, spoken, Tip, useBox } from "./box";
import type { Drawing } from "./context";
import { type Item, Legend } from "./legend";
import { scaleOf, stepOf } from "./scale";

export interface Counted {
  /** where the first begins, and how wide each is */
  from: number;
  size: number;
  counts: number[][];
}

const mostBuckets = 500;

/** sizes that buckets may have without being asked for. */
const sizes = Array.from({ length: 24 * 5 }, (_, i) => [1, 2, 2.5, 4, 5][i % 5] * 10 ** (Math.floor(i / 5) - 9));

export interface Wanted {
  size?: number;
  count?: number;
  offset?: number;
  combine?: boolean;
}

/** counted puts values into buckets of one size: the one that is wanted, or one that makes about so many. */
export function counted(lists: number[][], { size, count = 30, offset = 0, combine }: Wanted): Counted {
  const all = lists.flat();
  if (!all.length) return { from: 0, size: 1, counts: [] };
  const low = all.reduce((a, b) => Math.min(a, b));
  const high = all.reduce((a, b) => Math.max(a, b));
  const least = (high - low) / mostBuckets;
  const aim = (high - low) / Math.max(1, Math.min(mostBuckets, count));
  let each = size && size > 0 ? size : (sizes.find((s) => s > aim) ?? stepOf(high - low, Math.max(1, count)));
  if (each < least) each = stepOf(high - low, mostBuckets); // more of them than can be seen
  const bucket = (v: number) => Math.floor(Number(((v - offset) / each).toPrecision(12)));
  const first = bucket(low);
  const n = bucket(high) - first + 1;
  const of = (values: number[]) => {
    const c = Array<number>(n).fill(0);
    for (const v of values) c[Math.min(n - 1, Math.max(0, bucket(v) - first))]++;
    return c;
  };
  return { from: first * each + offset, size: each, counts: combine ? [of(all)] : lists.map(of) };
}

interface Source {
  name: string;
  refId: string;
  about: About;
  values: number[];
  field: Field;
}

const real = (list: (string | number | null)[]) => list.filter((v): v is number => typeof v === "number" && Number.isFinite(v));

/** sourcesOf numbers: series, and the columns of tables that have some. */
function sourcesOf(d: Drawing, data: Data): Source[] {
  const field = (name: string, refId: string) => fieldOf(d.panel, { name, refId, number: true });
  return [
    ...data.series.map((s) => ({ name: s.name, refId: s.refId, about: { series: s.name, field: s.name, labels: s.labels }, values: real(s.values), field: field(s.name, s.refId) })),
    ...data.tables.flatMap((x) => x.columns.flatMap((c, i) => (c.kind === "number" ? [{ name: c.name, refId: c.refId, about: { series: c.name, field: c.name }, values: real(x.rows.map((r) => r[i])), field: field(c.name, c.refId) }] : []))),
  ].filter((s) => s.values.length && !s.field.custom("hideFrom").get("viz").bool());
}

export function Histogram(d: Drawing) {
  const o = d.panel.options;
  const combine = o.get("combine").bool();
  const sources = useMemo(() => sourcesOf(d, d.data), [d.data, d.panel]);
  const c = useMemo(
    () => counted(sources.map((s) => s.values), { size: o.get("bucketSize").num(), count: o.get("bucketCount").num(), offset: o.get("bucketOffset").num(), combine }),
    [sources, o],
  );
  const { ref, width, height }: Box<HTMLDivElement> = useBox();
  const [hint, setHint] = useState<Hint>();
  const [only, setOnly] = useState<number>();
  const first = sources[0]?.field;
  if (!first) return <p class="empty">{t("noData")}</p>;
  const lines = c.counts.map((counts, i) => ({ counts, name: combine ? t("calcCount") : sources[i].field.title(sources[i].name, sources[i].about, d.scope), color: sources[i].field.hue(i, null), field: sources[i].field, refId: sources[i].refId }));
  const shown = lines.map((l, i) => ({ ...l, i })).filter((l) => only === undefined || only === l.i);
  const plain = new Field(() => In.of(undefined)); // of counts, which have no unit
  const s = scaleOf(plain, shown.flatMap((l) => l.counts), height / 40);
  const n = c.counts[0]?.length ?? 1;
  const edge = (i: number) => first.text(Number((c.from + i * c.size).toPrecision(12)));
  const f = frameOf(width - Math.max(0, wide(edge(n)) / 2 - 8), height, false, s.ticks.map(String), 20); // the last name needs room
  const each = f.width / n;
  const every = Math.max(1, Math.ceil((Math.max(wide(edge(0)), wide(edge(n))) + 14) / each));
  const look = (e: MouseEvent) => {
    const box = (e.currentTarget as Element).getBoundingClientRect();
    const [x, y] = [e.clientX - box.left, e.clientY - box.top];
    const b = Math.floor((x - f.left) / each);
    setHint(b < 0 || b >= n ? undefined : { x, y, head: `${edge(b)} – ${edge(b + 1)}`, rows: shown.map((l) => ({ color: l.color, name: l.name, text: String(l.counts[b]) })) });
  };
  const items = lines.map((l, i): Item => ({ name: l.name, color: l.color, values: combine ? sources.flatMap((x) => x.values) : sources[i].values, field: l.field, refId: l.refId, links: [] }));
  return (
    <div class={o.get("legend").get("placement").str() === "right" ? "plotted beside" : "plotted"}>
      <div ref={ref} class="drawing" onMouseMove={look} onMouseLeave={() => setHint(undefined)}>
        {width > 0 ? (
          <svg width={width} height={height} role="img" aria-label={spoken(d.panel.title, Array.from({ length: n }, (_, b) => b).filter((b) => shown.some((l) => l.counts[b])).map((b) => `${edge(b)} – ${edge(b + 1)}: ${shown.map((l) => l.counts[b]).join(", ")}`))}>
            <Axes f={f} s={s} field={plain} text={(v) => (Number.isInteger(v) ? String(v) : "")} />
            {shown.map((l) =>
              l.counts.map((v, b) => (v ? <rect key={`${l.i} ${b}`} {...rect(f, s, 0, v, f.left + b * each + 0.5, each - 1)} fill={faded(l.color, (l.field.custom("fillOpacity").num() ?? 80) / 100)} stroke={l.color} stroke-width={Math.min(10, l.field.custom("lineWidth").num() ?? 1)} /> : null)),
            )}
            {Array.from({ length: n + 1 }, (_, i) => i)
              .filter((i) => i % every === 0)
              .map((i) => (
                <text key={i} class="named" x={f.left + i * each} y={f.top + f.height + 14} text-anchor="middle">
                  {edge(i)}
                </text>
              ))}
          </svg>
        ) : null}
        <Tip hint={hint} width={width} />
      </div>
      <Legend options={o.get("legend")} items={items} only={only} choose={(i) => setOnly(only === i ? undefined : i)} />
    </div>
  );
}
