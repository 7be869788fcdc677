// Lines of the log store: read, followed, and shown as a table.
import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../i18n";
import { parse } from "./ansi";
import { ApiError, lines, namespace } from "./api";
import { dateTime } from "./format";
import { Empty, Problem } from "./ui";

export interface LogRow {
  _time?: string;
  _msg?: string;
  pod?: string;
  container?: string;
}

export const ranges = { lastHour: 3600, last6Hours: 6 * 3600, lastDay: 24 * 3600 } as const;
export type Range = keyof typeof ranges;

/** When is a range that ends now, or two times with a slash between; the second may be missing. */
export type When = Range | `${string}/${string}`;

/** bounds of the lines that are asked for. */
export function bounds(when: When): { start: string; end?: string } {
  const [start, end] = when.split("/");
  if (end === undefined) return { start: new Date(Date.now() - ranges[when as Range] * 1000).toISOString() };
  return end ? { start, end } : { start };
}

export type Language = "logsql" | "lucene";
const maxRows = 2000;

/** known says whether a row is among the last that are held, as it is when they are followed again. */
export function known(held: LogRow[], row: LogRow): boolean {
  for (let i = held.length - 1; i >= 0 && held[i]._time === row._time; i--) {
    if (held[i]._msg === row._msg && held[i].pod === row.pod && held[i].container === row.container) return true;
  }
  return false;
}

/** useLogRows reads what a query finds, and with follow what comes. */
export function useLogRows(query: string, range: When, follow: boolean, ns = namespace, language: Language = "logsql"): { rows: LogRow[]; busy: boolean; error: unknown } {
  const [rows, setRows] = useState<LogRow[]>([]);
  const [busy, setBusy] = useState(true);
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    const abort = new AbortController();
    let held: LogRow[] = [];
    let timer = 0;
    let again = 0;
    let following = follow;
    let resumed = false;
    const show = () => {
      timer = 0;
      setRows(held.slice());
    };
    const add = (line: string) => {
      if (!line) return;
      try {
        const row = JSON.parse(line) as LogRow;
        if (!resumed || !known(held, row)) held.push(row);
      } catch {
        return; // a line cut short by a restart
      }
      if (held.length > maxRows) held = held.slice(-maxRows);
      timer ||= window.setTimeout(show, 100);
    };
    const read = (start?: string) => {
      const { start: from, end } = bounds(range);
      const params = new URLSearchParams({ query, language, limit: String(maxRows), start: start ?? from, ...(follow ? { follow: "1" } : end ? { end } : {}) });
      lines(`/api/v1/namespaces/${ns}/logs?${params}`, abort.signal, add)
        .then(show, (e: unknown) => {
          if (abort.signal.aborted) return;
          // A server that starts again is followed from where it stopped; what it refuses stays refused.
          if (following && !(e instanceof ApiError && e.status < 500)) return;
          following = false;
          setError(e);
        })
        .finally(() => {
          if (abort.signal.aborted) return;
          setBusy(false);
          if (!following) return;
          resumed = true;
          again = window.setTimeout(() => read(held.at(-1)?._time), 2000);
        });
    };
    setBusy(true);
    setError(undefined);
    setRows([]);
    read();
    return () => {
      abort.abort();
      window.clearTimeout(timer);
      window.clearTimeout(again);
    };
  }, [query, range, follow, ns, language]);
  return { rows, busy, error };
}

export function RangeChoice({ range, choose }: { range: Range; choose: (r: Range) => void }) {
  return (
    <select aria-label={t("chartRange")} value={range} onChange={(e) => choose(e.currentTarget.value as Range)}>
      {(Object.keys(ranges) as Range[]).map((r) => (
        <option key={r} value={r}>
          {t(r)}
        </option>
      ))}
    </select>
  );
}

export function FollowChoice({ follow, choose }: { follow: boolean; choose: (on: boolean) => void }) {
  return (
    <label>
      <input type="checkbox" checked={follow} onChange={(e) => choose(e.currentTarget.checked)} /> {t("follow")}
    </label>
  );
}

/** Text is a line as text with the styles of a terminal: a line is hostile, and never markup. */
export function Text({ line }: { line: string }) {
  return (
    <>
      {parse(line).spans.map((s, k) => (
        <span key={k} class={s.classes || undefined}>
          {s.text}
        </span>
      ))}
    </>
  );
}

/** Around shows a line among those of its container. */
function Around({ row, ns, close }: { row: LogRow; ns: string; close: () => void }) {
  const [found, setFound] = useState<LogRow[]>([]);
  const [error, setError] = useState<unknown>();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  useEffect(() => {
    const abort = new AbortController();
    const all: LogRow[] = [];
    const params = new URLSearchParams({ pod: row.pod ?? "", container: row.container ?? "", at: row._time ?? "", before: "30", after: "30" });
    lines(`/api/v1/namespaces/${ns}/logs/context?${params}`, abort.signal, (line) => line && all.push(JSON.parse(line) as LogRow)).then(
      () => setFound(all),
      (e: unknown) => abort.signal.aborted || setError(e),
    );
    return () => abort.abort();
  }, [row, ns]);
  return (
    <dialog ref={dialog} class="broad" onClose={close} aria-label={t("aroundLine")}>
      <p class="row">
        <strong class="fill">{[row.pod, row.container].filter(Boolean).join("/")}</strong>
        <button type="button" onClick={close}>
          {t("close")}
        </button>
      </p>
      <Problem error={error} />
      <div class="rows scroll" tabIndex={0}>
        <table>
          <tbody>
            {found.map((r, i) => (
              <tr key={i} class={r._time === row._time && r._msg === row._msg ? "hit" : undefined}>
                <td class="when">{dateTime(r._time)}</td>
                <td>
                  <Text line={r._msg ?? ""} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </dialog>
  );
}

/** LogRows shows the lines, and the newest of them while they are followed. */
export function LogRows({ query, range, follow, ns, language }: { query: string; range: When; follow: boolean; ns?: string; language?: Language }) {
  const { rows, busy, error } = useLogRows(query, range, follow, ns, language);
  const [around, setAround] = useState<LogRow>();
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (follow && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [rows, follow]);
  return (
    <>
      <Problem error={error} />
      {rows.length ? (
        <>
          <p class="hint" aria-live="polite">
            {t("lines", { n: rows.length })}
          </p>
          <div class="rows scroll" ref={box} tabIndex={0} role="log" aria-label={t("logs")}>
            <table>
              <tbody>
                {rows.map((r, i) => (
                  <tr key={i}>
                    <td class="wide when" title={r._time}>
                      {dateTime(r._time)}
                    </td>
                    <td>
                      <button type="button" class="around" title={t("aroundLine")} aria-label={t("aroundLine")} onClick={() => setAround(r)}>
                        ⋮
                      </button>
                    </td>
                    <td class="pod">{[r.pod, r.container].filter(Boolean).join("/")}</td>
                    <td>
                      <Text line={r._msg ?? ""} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </>
      ) : (
        <Empty>{busy && !follow ? t("loading") : t("noLines")}</Empty>
      )}
      {around ? <Around row={around} ns={ns ?? namespace} close={() => setAround(undefined)} /> : null}
    </>
  );
}
