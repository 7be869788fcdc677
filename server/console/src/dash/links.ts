// Links of dashboards, panels and values: what their variables stand for, and where they
// lead. Those to other dashboards lead to these here, where they are known, and what only
// Grafana has leads to that.
import { to } from "../lib/router";
import { all } from "./model";
import { replace, type Scope, type Value } from "./interpolate";
import { link } from "./link";
import type { Range } from "./time";

export interface Listed {
  name: string;
  title: string;
  uid: string;
  namespace?: string;
  tags?: string[];
}

/** Known is what there is to link to. */
export interface Known {
  items: Listed[];
  grafana?: string;
}

/** DataLink as a dashboard has it. */
export interface DataLink {
  title: string;
  url: string;
  blank: boolean;
}

/** About says which value a link is of. */
export interface About {
  series?: string;
  field?: string;
  labels?: ReadonlyMap<string, string>;
  /** the cells of its row, by their columns */
  row?: ReadonlyMap<string, string>;
  raw?: string | number | null;
  text?: string;
  time?: number;
}

export interface Destination {
  title: string;
  href: string;
  /** a page of this console */
  here: boolean;
  blank: boolean;
}

const of = /\$\{__(data\.fields|field\.labels|field|series|value|row)(?:\.([^}:[]+)|\[["']?([^}\]"']+)["']?\])(?::\w+)?\}|\$__(cell|field|series|value)(?:\.(\w+))?/g;

/**
 * told fills in what a text says about a value; labels that are not there are empty. Each
 * is given the value and where in the text it stands.
 */
export function told(text: string, about: About, each: (s: string, at: number) => string = (s) => s): string {
  return text.replace(of, (whole: string, kind?: string, name?: string, bracket?: string, plain?: string, member?: string, at = 0) => {
    const key = name ?? bracket ?? member ?? "";
    const value = (k: string): string | undefined => {
      switch (k) {
        case "data.fields":
        case "row":
          return about.row?.get(key) ?? "";
        case "field.labels":
          return about.labels?.get(key) ?? "";
        case "field":
          return key === "labels" ? [...(about.labels ?? [])].map(([l, v]) => `${l}="${v}"`).join(", ") : (about.field ?? about.series ?? "");
        case "series":
          return about.series ?? "";
        case "value":
          return key === "time" ? String(about.time ?? "") : key === "text" ? (about.text ?? "") : String(about.raw ?? "");
        case "cell":
          return about.text ?? "";
      }
      return undefined;
    };
    const v = value(kind ?? plain ?? "");
    return v === undefined ? whole : each(v, at);
  });
}

/** inAddress is a variable as addresses have it. */
function inAddress(name: string, v: Value): string {
  const list = v.texts[0] === "All" && v.texts.length === 1 && v.multi ? [all] : v.values;
  return list.map((x) => `var-${name}=${encodeURIComponent(x)}`).join("&");
}

/** everything that is chosen, as an address has it. */
export function chosen(scope: Scope): string {
  return [...scope].filter(([name]) => !name.startsWith("__")).map(([name, v]) => inAddress(name, v)).filter(Boolean).join("&");
}

export const span = (r: Range) => `from=${Math.round(r.from)}&to=${Math.round(r.to)}`;

/** filled is an address with its variables filled in. */
export function filled(url: string, scope: Scope, range: Range, about: About = {}): string {
  const whole = url
    .slice(0, 4000)
    .replace(/\$(?:__url_time_range\b|\{__url_time_range\})/g, span(range))
    .replace(/\$(?:__all_variables\b|\{__all_variables\})/g, () => chosen(scope))
    .replace(/\$\{(\w+):queryparam\}/g, (text, name: string) => {
      const v = scope.get(name);
      return v ? inAddress(name, v) : text;
    });
  const times: Scope = new Map([...scope, ["__from", { values: [String(range.from)], texts: [String(range.from)], multi: false }], ["__to", { values: [String(range.to)], texts: [String(range.to)], multi: false }]]);
  // A value that is the address, or begins it, is not a part of one; where it may lead is looked at then.
  const part = (v: string, at: number) => (at ? encodeURIComponent(v) : v.trim());
  return replace(told(whole, about, part), times, "percentencode");
}

const ofGrafana = /^\/?(?:d-solo|explore|alerting|dashboards?|playlists|plugins|a|goto|connections|admin|library-panels|drilldown)(?:[/?#]|$)/;

/** destination of an address; undefined where there is nothing that it could lead to. */
export function destination(url: string, known: Known): { href: string; here: boolean } | undefined {
  let s = url.trim();
  const grafana = known.grafana?.replace(/\/$/, "");
  if (grafana && s.startsWith(`${grafana}/`)) s = s.slice(grafana.length);
  const board = /^\/?d\/([\w-]{1,40})(?:\/[^?#]*)?(\?[^#]*)?/.exec(s);
  if (board) {
    const found = known.items.find((i) => i.uid === board[1]);
    if (found) return { href: pageOf(found) + (board[2] ?? ""), here: true };
  }
  if (board || ofGrafana.test(s)) return grafana ? { href: `${grafana}/${s.replace(/^\//, "")}`, here: false } : undefined;
  const href = link(s);
  return href === undefined || href === "" ? undefined : { href, here: /^[/?#]/.test(href) };
}

/** pageOf a dashboard is its address here. */
export function pageOf(i: Listed): string {
  return i.namespace ? to("dashboards", "repo", i.namespace, i.uid) : to("dashboards", i.name);
}

/** destinations of links of a value or a panel. */
export function destinations(links: DataLink[], scope: Scope, range: Range, known: Known, about: About = {}): Destination[] {
  return links.flatMap((l) => {
    const at = destination(filled(l.url, scope, range, about), known);
    if (!at) return [];
    return [{ ...at, title: replace(told(l.title, about), scope, "text") || at.href, blank: l.blank }];
  });
}
