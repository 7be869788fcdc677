// How a value is written and coloured: the panel's defaults and what is set over them
// for some series, units, thresholds and mappings.
import { color, ofPalette, onScale } from "./colors";
import { In } from "./json";
import { replace, type Scope } from "./interpolate";
import { type About, type DataLink, told } from "./links";
import { dataLinks, type Panel } from "./model";
import { match } from "./pattern";
import { format } from "./units";

/** What is asked about a series or a column of a table. */
export interface Named {
  name: string;
  refId: string;
  number: boolean;
}

interface Step {
  from: number;
  color: string;
}

interface Mapping {
  hit: (v: number | string | null) => boolean;
  text?: string;
  color?: string;
}

export class Field {
  readonly unit: string;
  readonly decimals?: number;
  readonly min?: number;
  readonly max?: number;
  readonly displayName: string;
  readonly noValue: string;
  readonly mode: string;
  readonly fixed: string;
  readonly percentage: boolean;
  readonly links: DataLink[];
  readonly steps: Step[];
  private readonly mappings: Mapping[];

  constructor(private readonly of: (id: string) => In) {
    this.unit = of("unit").str("", 60);
    const decimals = of("decimals").num();
    this.decimals = decimals === undefined ? undefined : Math.min(15, Math.max(0, Math.round(decimals)));
    this.min = of("min").num();
    this.max = of("max").num();
    this.displayName = of("displayName").str();
    this.noValue = of("noValue").str();
    this.mode = of("color").get("mode").str();
    this.fixed = of("color").get("fixedColor").str();
    this.links = dataLinks(of("links"));
    const t = of("thresholds");
    this.percentage = t.get("mode").str() === "percentage";
    this.steps = t
      .get("steps")
      .list(50)
      .map((s) => ({ from: s.get("value").num() ?? -Infinity, color: s.get("color").str() }));
    this.mappings = of("mappings").list(100).flatMap(mappingsOf);
  }

  /** title of what is drawn: its own, made of what it is about, else its name. */
  title(name: string, about: About, scope: Scope): string {
    return this.displayName ? replace(told(this.displayName, about), scope, "text") : name;
  }

  custom(key: string): In {
    return this.of(`custom.${key}`);
  }

  /** share of a value between the least and the most, from 0 to 1. */
  share(v: number, least = this.min ?? 0, most = this.max ?? 100): number {
    return most > least ? Math.min(1, Math.max(0, (v - least) / (most - least))) : 0;
  }

  private step(v: number, least?: number, most?: number): Step | undefined {
    const at = this.percentage ? this.share(v, least, most) * 100 : v;
    return this.steps.findLast((s) => at >= s.from) ?? this.steps[0];
  }

  private mapped(v: number | string | null): Mapping | undefined {
    return this.mappings.find((m) => m.hit(v));
  }

  text(v: number | string | null): string {
    const m = this.mapped(v);
    if (m?.text !== undefined) return m.text;
    if (v === null || v === "") return this.noValue || "–";
    return typeof v === "string" ? v : format(v, this.unit, this.decimals);
  }

  /** dated says that a time is written by the unit: those of figures are not for times. */
  get dated(): boolean {
    return /^(dateTime|time:)/.test(this.unit);
  }

  /** color of a value by its mapping, the thresholds or a scale; undefined where none says one. */
  color(v: number | string | null, least?: number, most?: number): string | undefined {
    const m = this.mapped(v);
    if (m?.color) return color(m.color);
    if (this.mode === "fixed") return color(this.fixed);
    if (typeof v !== "number") return undefined;
    if (this.mode.startsWith("continuous-")) return onScale(this.mode, this.share(v, least, most));
    if (this.mode.startsWith("palette")) return undefined;
    const s = this.step(v, least, most);
    return s && color(s.color);
  }

  /** own is the colour that a value has of its own, by its mapping. */
  own(v: number | string | null): string | undefined {
    const m = this.mapped(v);
    return m?.color ? color(m.color) : undefined;
  }

  /** hue of a value, the nth of its panel: by the value where the panel says how, else of the palette. */
  hue(n: number, v: number | string | null, least?: number, most?: number): string {
    const own = this.own(v);
    if (own) return own;
    if (!this.mode || this.mode.startsWith("palette")) return ofPalette(n);
    return this.mode === "shades" ? (color(this.fixed) ?? ofPalette(n)) : (this.color(v, least, most) ?? ofPalette(n));
  }

  /** band says between which thresholds a number is, where these are what it is coloured by. */
  band(v: number | string | null): string | undefined {
    if (typeof v !== "number" || this.mode !== "thresholds" || this.steps.length < 2 || this.mapped(v)) return undefined;
    const s = this.step(v);
    const name = (x: number) => (this.percentage ? `${x}%` : format(x, this.unit, this.decimals));
    return s && Number.isFinite(s.from) ? `${name(s.from)}+` : `< ${name(this.steps[1].from)}`;
  }

  /** line is the colour of a series, the nth of its panel. */
  line(n: number, last: number | null): string {
    if (this.mode === "fixed" || this.mode === "shades") return color(this.fixed) ?? ofPalette(n);
    if (this.mode === "thresholds" || this.mode.startsWith("continuous-")) return this.color(last) ?? ofPalette(n);
    return ofPalette(n);
  }
}

function mappingsOf(m: In): Mapping[] {
  const result = (r: In) => ({ text: r.get("text").there ? r.get("text").str() : undefined, color: r.get("color").str() || undefined });
  const o = m.get("options");
  switch (m.get("type").str()) {
    case "value":
      return o.entries(200).map(([key, r]) => ({ hit: (v) => v !== null && String(v) === key, ...result(r) }));
    case "range": {
      const from = o.get("from").num() ?? -Infinity;
      const to = o.get("to").num() ?? Infinity;
      return [{ hit: (v) => typeof v === "number" && v >= from && v <= to, ...result(o.get("result")) }];
    }
    case "regex": {
      const pattern = o.get("pattern").str("", 300);
      return [{ hit: (v) => v !== null && match(pattern, String(v)) !== undefined, ...result(o.get("result")) }];
    }
    case "special": {
      const what = o.get("match").str();
      const hit = (v: number | string | null) =>
        (what.includes("null") && v === null) || (what.includes("nan") && typeof v === "number" && Number.isNaN(v)) || (what === "empty" && v === "") || String(v) === what;
      return [{ hit, ...result(o.get("result")) }];
    }
  }
  return [];
}

function matches(id: string, options: In, f: Named): boolean {
  switch (id) {
    case "byName":
      return options.str() === f.name;
    case "byRegexp":
      return match(options.str(), f.name) !== undefined;
    case "byFrameRefID":
      return options.str() === f.refId;
    case "byType":
      return (options.str() === "number") === f.number;
    case "byNames": {
      const named = options.get("names").strs(500).includes(f.name);
      return options.get("mode").str() === "exclude" ? !named : named;
    }
  }
  return false;
}

/** fieldOf a series: the last override that matches and sets a property wins. */
export function fieldOf(panel: Panel, f: Named): Field {
  const over = new Map<string, In>();
  for (const o of panel.overrides) {
    if (matches(o.id, o.options, f)) for (const p of o.properties) over.set(p.id, p.value);
  }
  return new Field((id) => over.get(id) ?? (id.startsWith("custom.") ? panel.defaults.get("custom").get(id.slice(7)) : panel.defaults.get(id)));
}

/** patterns says whether a board needs the engine for them. */
export function patterns(panel: Panel): boolean {
  const regex = (v: In) => v.get("mappings").list(100).some((m) => m.get("type").str() === "regex");
  return panel.overrides.some((o) => o.id === "byRegexp" || o.properties.some((p) => p.id === "mappings" && p.value.list(100).some((m) => m.get("type").str() === "regex"))) || regex(panel.defaults) || panel.transformations.some((t) => /regex|filter/i.test(t.id));
}
