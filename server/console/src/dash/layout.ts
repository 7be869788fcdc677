// Where panels are once variables have their values: one that is repeated is there once
// for each of them, and pushes down what is below.
import { type Scope, type Value, value } from "./interpolate";
import type { Panel, Section } from "./model";

export interface Placed {
  panel: Panel;
  scope: Scope;
}

const mostRepeats = 50;

function each(name: string, scope: Scope): Scope[] {
  const v = name ? scope.get(name) : undefined;
  if (!v?.values.length) return [scope];
  return v.values.slice(0, mostRepeats).map((x, i) => new Map<string, Value>([...scope, [name, { ...value(x), texts: [v.texts.length === v.values.length ? v.texts[i] : x], authored: v.authored, multi: v.multi }]]));
}

/** sections repeats rows. */
export function sections(list: Section[], scope: Scope): { section: Section; scope: Scope }[] {
  return list.flatMap((section) => each(section.repeat, scope).map((s, i) => ({ section: i ? { ...section, key: `${section.key}.${i}` } : section, scope: s }))).slice(0, 300);
}

/** place the panels of a section, beginning at its own first line. */
export function place(panels: Panel[], scope: Scope): Placed[] {
  const out: Placed[] = [];
  const top = Math.min(...panels.map((p) => p.grid.y), 1e9);
  const pushes: { below: number; by: number }[] = [];
  for (const p of panels) {
    const down = pushes.filter((x) => p.grid.y >= x.below).reduce((sum, x) => sum + x.by, 0);
    const at = { ...p.grid, y: p.grid.y - top + down };
    const scopes = p.repeat ? each(p.repeat, scope) : [scope];
    if (scopes.length === 1) {
      out.push({ panel: { ...p, grid: at }, scope: scopes[0] });
      continue;
    }
    const perRow = p.repeatDown ? 1 : Math.min(p.maxPerRow, scopes.length);
    const w = p.repeatDown ? at.w : Math.floor(24 / perRow);
    scopes.forEach((s, i) => {
      out.push({ panel: { ...p, key: `${p.key}.${i}`, grid: { w, h: at.h, x: p.repeatDown ? at.x : (i % perRow) * w, y: at.y + Math.floor(i / perRow) * at.h } }, scope: s });
    });
    const extra = (Math.ceil(scopes.length / perRow) - 1) * at.h;
    if (extra) pushes.push({ below: p.grid.y + p.grid.h, by: extra });
  }
  return out;
}
