// Lines of the log store: read, followed, and shown as a table.
import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../i18n";
import { parse } from "./ansi";
import { lines, namespace } from "./api";
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
const maxRows = 2000;

/** useLogRows reads what a query finds, and with follow what comes. */
export function useLogRows(query: string, range: Range, follow: boolean, ns = namespace): { rows: LogRow[]; busy: boolean; error: unknown } {
  const [rows, setRows] = useState<LogRow[]>([]);
  const [busy, setBusy] = useState(true);
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    const abort = new AbortController();
    let held: LogRow[] = [];
    let timer = 0;
    const show = () => {
      timer = 0;
      setRows(held.slice());
    };
    const params = new URLSearchParams({
      query,
      start: new Date(Date.now() - ranges[range] * 1000).toISOString(),
      limit: String(maxRows),
      ...(follow ? { follow: "1" } : {}),
    });
    setBusy(true);
    setError(undefined);
    setRows([]);
    lines(`/api/v1/namespaces/${ns}/logs?${params}`, abort.signal, (line) => {
      if (!line) return;
      try {
        held.push(JSON.parse(line) as LogRow);
      } catch {
        return; // a line cut short by a restart
      }
      if (held.length > maxRows) held = held.slice(-maxRows);
      timer ||= window.setTimeout(show, 100);
    })
      .then(show, (e: unknown) => {
        if (!abort.signal.aborted) setError(e);
      })
      .finally(() => {
        if (!abort.signal.aborted) setBusy(false);
      });
    return () => {
      abort.abort();
      window.clearTimeout(timer);
    };
  }, [query, range, follow, ns]);
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

/** LogRows shows the lines, and the newest of them while they are followed. */
export function LogRows({ query, range, follow, ns }: { query: string; range: Range; follow: boolean; ns?: string }) {
  const { rows, busy, error } = useLogRows(query, range, follow, ns);
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
                    <td class="pod">{[r.pod, r.container].filter(Boolean).join("/")}</td>
                    <td>
                      {parse(r._msg ?? "").spans.map((s, k) => (
                        <span key={k} class={s.classes || undefined}>
                          {s.text}
                        </span>
                      ))}
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
    </>
  );
}
