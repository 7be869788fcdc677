// Panels of single values: stat, gauge and bar gauge.
import type { ComponentChildren } from "preact";
import { faded } from "../colors";
import { type Single, singles } from "../data";
import { type Field, fieldOf } from "../field";
import { type Destination, destinations } from "../links";
import { match } from "../pattern";
import { Lead, Leading } from "./leads";
import type { Drawing } from "./context";

export interface Shown extends Single {
  field: Field;
  text: string;
  color: string | undefined;
  least: number;
  most: number;
  links: Destination[];
}

const mostValues = 100;

/** shown are the values of a panel, in its words and colours. */
export function shown(d: Drawing): Shown[] {
  const reduce = d.panel.options.get("reduceOptions");
  const how = reduce.get("calcs").strs(1)[0] ?? "lastNotNull";
  const limit = Math.min(mostValues, reduce.get("limit").num() || mostValues);
  const fields = reduce.get("fields").str();
  let list = singles(d.data, how, reduce.get("values").bool(), limit);
  if (fields && fields !== "/.*/") list = list.filter((s) => (fields.startsWith("/") ? match(fields, s.name) !== undefined : s.name === fields));
  const numbers = list.flatMap((s) => (typeof s.value === "number" ? [s.value] : []));
  return list.map((s) => {
    const field = fieldOf(d.panel, { name: s.name, refId: s.refId, number: true });
    const least = field.min ?? Math.min(0, ...numbers);
    const most = field.max ?? (field.unit === "percentunit" ? 1 : field.unit === "percent" ? 100 : Math.max(...numbers, field.steps.at(-1)?.from ?? 0));
    const text = field.text(s.value);
    const about = { series: s.name, field: s.name, labels: s.labels, row: s.labels, raw: s.value, text };
    return { ...s, name: field.title(s.name, about, d.scope), field, text, color: field.color(s.value, least, most), least, most, links: destinations(field.links, d.scope, d.range, d.known, about) };
  });
}

/** spark is the outline of the past, in a box of 100 by 30. */
export function spark(past: (number | null)[]): string {
  const have = past.filter((v): v is number => v !== null && Number.isFinite(v));
  if (have.length < 2) return "";
  const low = have.reduce((a, b) => Math.min(a, b));
  const high = have.reduce((a, b) => Math.max(a, b));
  const points = past.flatMap((v, i) => (v === null || !Number.isFinite(v) ? [] : [`${((i / (past.length - 1)) * 100).toFixed(2)},${(28 - ((v - low) / (high - low || 1)) * 26).toFixed(2)}`]));
  return `M${points.join("L")}`;
}

/** Leads makes a value the link that it has; further ones are behind it. */
function Leads({ s, children }: { s: Shown; children: ComponentChildren }) {
  const [first, ...rest] = s.links;
  if (!first) return <>{children}</>;
  return (
    <>
      <Lead to={first}>{children}</Lead>
      <Leading links={rest} />
    </>
  );
}

function Name({ s, all, mode }: { s: Shown; all: Shown[]; mode: string }) {
  return all.length > 1 || mode.includes("name") ? <span class="name">{s.name}</span> : null;
}

export function Stat(d: Drawing) {
  const o = d.panel.options;
  const [text, colors, graph] = [o.get("textMode").str("auto"), o.get("colorMode").str("value"), o.get("graphMode").str("area")];
  const all = shown(d);
  return (
    <div class={o.get("orientation").str() === "horizontal" ? "values down" : "values"}>
      {all.map((s, i) => {
        const filled = colors.startsWith("background") && s.color;
        const outline = graph === "none" ? "" : spark(s.past);
        return (
          <div key={i} class={filled ? "stat filled" : "stat"} style={filled ? { background: s.color } : undefined}>
            {outline ? (
              <svg viewBox="0 0 100 30" preserveAspectRatio="none" aria-hidden="true">
                <path class="area" d={`${outline}L100,30L0,30Z`} fill={faded(s.color ?? "#5794F2", 0.15)} />
                <path d={outline} stroke={filled ? "currentColor" : (s.color ?? "#5794F2")} />
              </svg>
            ) : null}
            {text === "none" ? null : <Name s={s} all={text === "value" ? [s] : all} mode={text} />}
            {text === "name" || text === "none" ? null : (
              <b class={s.text.length > 9 ? "value long" : "value"} style={colors === "value" && s.color ? { color: s.color } : undefined}>
                <Leads s={s}>{s.text}</Leads>
              </b>
            )}
          </div>
        );
      })}
    </div>
  );
}

/** arc from one share of the dial to another; the dial is open below. */
export function arc(from: number, to: number, radius: number): string {
  const [begin, span] = [Math.PI * 0.85, Math.PI * 1.3];
  const at = (share: number) => `${(100 + radius * Math.cos(begin + span * share)).toFixed(2)} ${(100 + radius * Math.sin(begin + span * share)).toFixed(2)}`;
  return `M${at(from)}A${radius} ${radius} 0 ${(to - from) * span > Math.PI ? 1 : 0} 1 ${at(to)}`;
}

export function Gauge(d: Drawing) {
  const all = shown(d);
  const marked = d.panel.options.get("showThresholdMarkers").bool(true);
  return (
    <div class="values">
      {all.map((s, i) => {
        const share = typeof s.value === "number" ? s.field.share(s.value, s.least, s.most) : 0;
        const steps = s.field.steps;
        const of = (from: number) => (s.field.percentage ? Math.min(1, Math.max(0, from / 100)) : s.field.share(from, s.least, s.most));
        return (
          <div key={i} class="gauge">
            <svg viewBox="0 0 200 150" role="img" aria-label={`${s.name || d.panel.title}: ${s.text}`}>
              <path class="track" d={arc(0, 1, 74)} />
              {share > 0 ? <path class="dial" d={arc(0, share, 74)} stroke={s.color ?? "#5794F2"} /> : null}
              {marked && steps.length > 1
                ? steps.map((step, k) => {
                    const [a, b] = [Number.isFinite(step.from) ? of(step.from) : 0, steps[k + 1] ? of(steps[k + 1].from) : 1];
                    return b > a ? <path key={k} class="step" d={arc(a, b, 91)} stroke={s.field.color(Number.isFinite(step.from) ? (s.field.percentage ? s.least + (step.from / 100) * (s.most - s.least) : step.from) : s.least - 1, s.least, s.most)} /> : null;
                  })
                : null}
              <text x="100" y="112" class={s.text.length > 5 ? "long" : undefined} fill={s.color ?? "currentColor"}>
                {s.text}
              </text>
            </svg>
            <Name s={s} all={all} mode="" />
            <Leading links={s.links} />
          </div>
        );
      })}
    </div>
  );
}

export function BarGauge(d: Drawing) {
  const all = shown(d);
  const vertical = d.panel.options.get("orientation").str() === "vertical";
  return (
    <div class={vertical ? "bars upright" : "bars"}>
      {all.map((s, i) => {
        const share = typeof s.value === "number" ? s.field.share(s.value, s.least, s.most) : 0;
        const size = `${(share * 100).toFixed(1)}%`;
        return (
          <div key={i} class="bar">
            <span class="name" title={s.name}>
              {s.name}
            </span>
            <span class="track">
              <span class="fill" style={{ ...(vertical ? { height: size } : { width: size }), background: s.color ?? "#5794F2" }} />
            </span>
            <b class="value" style={{ color: s.color }}>
              <Leads s={s}>{s.text}</Leads>
            </b>
          </div>
        );
      })}
    </div>
  );
}
