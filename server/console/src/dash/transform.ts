// Transformations of tables and series between the queries and the picture: the ones
// that dashboards mostly have. One that is not known is named, and nothing is done.
import type { Column, Data, Table } from "./data";
import type { Panel } from "./model";
import { match, replaceFirst } from "./pattern";
import { merged, tableOf } from "./panels/table";
import { asRows, calculated, filtered, grouped, join, reduced, withLabels } from "./reshape";

/** Step gives nothing where it does not know how. */
type Step = (d: Data, o: Panel["transformations"][number]["options"]) => Data | undefined;

const onTables = (d: Data, each: (t: Table) => Table): Data => ({ ...d, tables: d.tables.map(each) });

/** columns keeps those of the given places, in that order. */
function columns(t: Table, places: number[], name: (c: Column) => string = (c) => c.name): Table {
  return { ...t, columns: places.map((i) => ({ ...t.columns[i], name: name(t.columns[i]) })), rows: t.rows.map((r) => places.map((i) => r[i])) };
}

const known = new Map<string, Step>([
  [
    "organize",
    (d, o) =>
      onTables(d, (t) => {
        const order = (c: Column, i: number) => o.get("indexByName").get(c.name).num() ?? 1000 + i;
        const places = t.columns
          .map((c, i) => ({ c, i }))
          .filter(({ c }) => !o.get("excludeByName").get(c.name).bool())
          .sort((a, b) => order(a.c, a.i) - order(b.c, b.i));
        return columns(t, places.map(({ i }) => i), (c) => o.get("renameByName").get(c.name).str(c.name) || c.name);
      }),
  ],
  [
    "filterFieldsByName",
    (d, o) => {
      const names = o.get("include").get("names").strs(500);
      const pattern = o.get("include").get("pattern").str();
      const keep = (name: string) => (!names.length && !pattern) || names.includes(name) || (pattern !== "" && match(pattern, name) !== undefined);
      return { ...onTables(d, (t) => columns(t, t.columns.flatMap((c, i) => (keep(c.name) ? [i] : [])))), series: d.series.filter((s) => keep(s.name)) };
    },
  ],
  [
    "renameByRegex",
    (d, o) => {
      const name = (n: string) => replaceFirst(o.get("regex").str("", 300), n, o.get("renamePattern").str("", 300));
      return { ...onTables(d, (t) => columns(t, t.columns.map((_, i) => i), (c) => name(c.name))), series: d.series.map((s) => ({ ...s, name: name(s.name) })) };
    },
  ],
  ["limit", (d, o) => onTables(d, (t) => ({ ...t, rows: t.rows.slice(0, Math.max(0, o.get("limitField").num() ?? 10)) }))],
  [
    "sortBy",
    (d, o) =>
      onTables(d, (t) => {
        const by = o.get("sort").list(1)[0];
        const at = t.columns.findIndex((c) => c.name === by?.get("field").str());
        if (at < 0) return t;
        const sign = by.get("desc").bool() ? -1 : 1;
        const rows = [...t.rows].sort((a, b) => sign * (typeof a[at] === "number" && typeof b[at] === "number" ? a[at] - b[at] : String(a[at]).localeCompare(String(b[at]))));
        return { ...t, rows };
      }),
  ],
  ["merge", (d) => ({ ...d, series: [], tables: d.tables.length > 1 ? [merged(d.tables)] : [tableOf(d)] })],
  ["seriesToColumns", join],
  ["joinByField", join],
  ["groupBy", grouped],
  ["labelsToFields", withLabels],
  ["reduce", reduced],
  ["calculateField", calculated],
  ["filterByValue", filtered],
  ["seriesToRows", asRows],
  [
    "filterByRefId",
    (d, o) => {
      const pattern = o.get("include").str();
      const keep = (x: { refId: string }) => !pattern || match(pattern.startsWith("/") ? pattern : `^(?:${pattern})$`, x.refId) !== undefined;
      return { ...d, series: d.series.filter(keep), tables: d.tables.filter(keep) };
    },
  ],
]);

/** transform does what a panel asks, in its order. */
export function transform(panel: Panel, data: Data): Data {
  for (const t of panel.transformations) {
    const step = known.get(t.id);
    data = step?.(data, t.options) ?? { ...data, notes: [...data.notes, `transformation:${t.id}`] };
  }
  return data;
}
