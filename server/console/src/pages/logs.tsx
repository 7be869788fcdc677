import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../i18n";
import { parse } from "../lib/ansi";
import { lines, namespace } from "../lib/api";
import { dateTime } from "../lib/format";
import { go } from "../lib/router";
import { Empty, Problem } from "../lib/ui";

interface Row {
  _time?: string;
  _msg?: string;
  pod?: string;
  container?: string;
}

const ranges = { lastHour: 3600, last6Hours: 6 * 3600, lastDay: 24 * 3600 } as const;
type Range = keyof typeof ranges;
const maxRows = 2000;

export function Logs({ query }: { query: string }) {
  const [typed, setTyped] = useState(query);
  const [range, setRange] = useState<Range>("lastHour");
  const [follow, setFollow] = useState(false);
  const [rows, setRows] = useState<Row[]>([]);
  const [busy, setBusy] = useState(true);
  const [error, setError] = useState<unknown>();
  const end = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const abort = new AbortController();
    let held: Row[] = [];
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
    lines(`/api/v1/namespaces/${namespace}/logs?${params}`, abort.signal, (line) => {
      if (!line) return;
      try {
        held.push(JSON.parse(line) as Row);
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
  }, [query, range, follow]);
  useEffect(() => {
    if (follow) end.current?.scrollIntoView({ block: "nearest" });
  }, [rows, follow]);

  return (
    <>
      <h1>{t("logs")}</h1>
      <form
        class="row tools"
        role="search"
        onSubmit={(e) => {
          e.preventDefault();
          go(typed ? `/logs?query=${encodeURIComponent(typed)}` : "/logs", true);
        }}
      >
        <input type="search" class="fill" placeholder={t("logQuery")} aria-label={t("logQuery")} value={typed} onInput={(e) => setTyped(e.currentTarget.value)} />
        <select aria-label={t("chartRange")} value={range} onChange={(e) => setRange(e.currentTarget.value as Range)}>
          {(Object.keys(ranges) as Range[]).map((r) => (
            <option key={r} value={r}>
              {t(r)}
            </option>
          ))}
        </select>
        <label>
          <input type="checkbox" checked={follow} onChange={(e) => setFollow(e.currentTarget.checked)} /> {t("follow")}
        </label>
        <button type="submit" class="primary">
          {t("search")}
        </button>
      </form>
      <p class="hint">{t("logQueryHint")}</p>
      <Problem error={error} />
      {rows.length ? (
        <>
          <p class="hint" aria-live="polite">
            {t("lines", { n: rows.length })}
          </p>
          <div class="rows scroll" tabIndex={0} role="log" aria-label={t("logs")}>
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
            <div ref={end} />
          </div>
        </>
      ) : (
        <Empty>{busy && !follow ? t("loading") : t("noLines")}</Empty>
      )}
    </>
  );
}
