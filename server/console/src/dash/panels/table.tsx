// A table of what was found: sorted by a click, a page at a time.
import { useMemo, useState } from "preact/hooks";
import { t } from "../../i18n";
import { dateTime } from "../../lib/format";
import { faded } from "../colors";
import { type Cell, type Data, rowOf, type Table } from "../data";
import { type Field, fieldOf } from "../field";
import type { Scope } from "../interpolate";
import { destinations } from "../links";
import type { Panel } from "../model";
import { align } from "./timeseries";
import type { Drawing } from "./context";
import { Lead, Leading } from "./leads";

const pageSize = 100;

/** tableOf is one table: the first, or the series side by side. */
export function tableOf(d: Data): Table {
  if (d.tables.length) return d.tables.length === 1 ? d.tables[0] : merged(d.tables);
  const [times, ...values] = align(d.series);
  return {
    refId: "",
    columns: [{ name: "Time", kind: "time", refId: "" }, ...d.series.map((s) => ({ name: s.name, kind: "number" as const, refId: s.refId }))],
    rows: times.map((at, i) => [at * 1000, ...values.map((v) => v[i] ?? null)]),
  };
}

/** merged puts rows of several tables together that have the same time and texts. */
export function merged(tables: Table[]): Table {
  const keys = [...new Set(tables.flatMap((x) => x.columns.filter((c) => c.kind !== "number").map((c) => c.name)))];
  const numbers = tables.flatMap((x) => x.columns.filter((c) => c.kind === "number"));
  const rows = new Map<string, Cell[]>();
  for (const x of tables) {
    for (const r of x.rows) {
      const own = keys.map((k) => r[x.columns.findIndex((c) => c.name === k)] ?? "");
      const id = JSON.stringify(own);
      const row = rows.get(id) ?? [...own, ...numbers.map(() => null)];
      rows.set(id, row);
      x.columns.forEach((c, i) => {
        const at = numbers.findIndex((n) => n.name === c.name && n.refId === c.refId);
        if (c.kind === "number" && at >= 0) row[keys.length + at] = r[i];
      });
    }
  }
  const kind = (name: string) => tables.flatMap((x) => x.columns).find((c) => c.name === name)?.kind ?? "string";
  return { refId: tables[0].refId, columns: [...keys.map((name) => ({ name, kind: kind(name), refId: "" })), ...numbers], rows: [...rows.values()] };
}

interface Head {
  at: number;
  name: string;
  title: string;
  kind: string;
  field: Field;
}

function heads(panel: Panel, table: Table, scope: Scope): Head[] {
  return table.columns.flatMap((c, at) => {
    const field = fieldOf(panel, { name: c.name, refId: c.refId, number: c.kind === "number" });
    // The one moment of all rows tells nothing.
    const moment = c.kind === "time" && table.rows.length > 0 && table.rows.every((r) => r[at] === table.rows[0][at]) && !field.displayName;
    return field.custom("hidden").bool() || moment ? [] : [{ at, name: c.name, title: field.title(c.name, { field: c.name, series: c.name }, scope), kind: c.kind, field }];
  });
}

function compare(a: Cell, b: Cell): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return a === null ? -1 : b === null ? 1 : String(a).localeCompare(String(b), undefined, { numeric: true });
}

function Value({ head, cell, row, d }: { head: Head; cell: Cell; row: ReadonlyMap<string, string> | undefined; d: Drawing }) {
  const text = written(head, cell);
  const links = row ? destinations(head.field.links, d.scope, d.range, d.known, { field: head.name, series: head.name, row, labels: row, raw: cell, text }) : [];
  const body = <Cellular head={head} cell={cell} text={text} />;
  if (!links.length) return body;
  return (
    <>
      <Lead to={links[0]}>{body}</Lead>
      <Leading links={links.slice(1)} />
    </>
  );
}

function written(head: Head, cell: Cell): string {
  if (head.kind === "time" && typeof cell === "number" && !head.field.dated) return dateTime(new Date(cell).toISOString());
  return head.kind === "number" ? head.field.text(cell) : head.field.text(cell === null ? "" : String(cell));
}

function Cellular({ head, cell, text }: { head: Head; cell: Cell; text: string }) {
  const options = head.field.custom("cellOptions");
  const how = options.get("type").str(head.field.custom("displayMode").str());
  const color = head.field.color(cell);
  if (!color || how === "auto" || !how) return <>{text}</>;
  if (how === "color-text") return <span style={{ color }}>{text}</span>;
  if (how.includes("gauge") && typeof cell === "number") {
    return (
      <span class="cellbar">
        <span style={{ width: `${(head.field.share(cell) * 100).toFixed(1)}%`, background: color }} />
        <b>{text}</b>
      </span>
    );
  }
  return (
    <span class="filledcell" style={{ background: faded(color, 0.35) }}>
      {text}
    </span>
  );
}

export function TablePanel(d: Drawing) {
  const table = useMemo(() => tableOf(d.data), [d.data]);
  const columns = useMemo(() => heads(d.panel, table, d.scope), [d.panel, table, d.scope]);
  const asked = d.panel.options.get("sortBy").list(1)[0];
  const [by, setBy] = useState<{ name: string; down: boolean } | undefined>(asked ? { name: asked.get("displayName").str(), down: asked.get("desc").bool() } : undefined);
  const [page, setPage] = useState(0);
  const rows = useMemo(() => {
    const head = columns.find((c) => c.title === by?.name);
    return head ? [...table.rows].sort((a, b) => compare(a[head.at], b[head.at]) * (by?.down ? -1 : 1)) : table.rows;
  }, [table, columns, by]);
  const at = Math.min(page, Math.max(0, Math.ceil(rows.length / pageSize) - 1));
  const sort = (c: Head) => setBy(by?.name === c.title ? (by.down ? undefined : { name: c.title, down: true }) : { name: c.title, down: false });
  return (
    <div class="tabled scroll" tabIndex={0}>
      <table aria-label={d.panel.title}>
        {d.panel.options.get("showHeader").bool(true) ? (
          <thead>
            <tr>
              {columns.map((c) => (
                <th key={c.at} scope="col" class={c.kind === "number" ? "number" : undefined} aria-sort={by?.name === c.title ? (by.down ? "descending" : "ascending") : undefined}>
                  <button type="button" onClick={() => sort(c)}>
                    {c.title}
                    {by?.name === c.title ? (by.down ? " ↓" : " ↑") : ""}
                  </button>
                </th>
              ))}
            </tr>
          </thead>
        ) : null}
        <tbody>
          {rows.slice(at * pageSize, (at + 1) * pageSize).map((r, i) => (
            <tr key={i}>
              {columns.map((c) => (
                <td key={c.at} class={c.kind === "number" ? "number" : undefined}>
                  <Value head={c} cell={r[c.at]} row={c.field.links.length ? rowOf(table, r) : undefined} d={d} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > pageSize ? (
        <div class="row pager">
          <button type="button" disabled={at === 0} onClick={() => setPage(at - 1)}>
            {t("previous")}
          </button>
          <span>{t("showing", { from: at * pageSize + 1, to: Math.min(rows.length, (at + 1) * pageSize), total: rows.length })}</span>
          <button type="button" disabled={(at + 1) * pageSize >= rows.length} onClick={() => setPage(at + 1)}>
            {t("next")}
          </button>
        </div>
      ) : null}
    </div>
  );
}
