// When the lines of a query were, and which values their fields have: both narrow it.
import { useEffect, useState } from "preact/hooks";
import { t } from "../i18n";
import { get, namespace } from "./api";
import { dateTime } from "./format";
import { bounds, type Language, type When } from "./logrows";

export interface Overview {
  buckets: { time: string; count: number }[];
  facets: { field: string; values: { value: string; count: number }[] }[];
}

/** narrowed is the query with one field's value required; the value is text in it, not a part of it. */
export function narrowed(query: string, language: Language, field: string, value: string): string {
  const rest = query.trim();
  if (language === "lucene") {
    const quoted = value.replace(/["\\]/g, (c) => "\\" + c);
    const name = field.replace(/[^\w.@]/g, (c) => "\\" + c);
    return `+${name}:"${quoted}"${rest ? ` +(${rest})` : ""}`;
  }
  return `${/^[\w.]+$/.test(field) ? field : JSON.stringify(field)}:=${JSON.stringify(value)}${rest ? ` (${rest})` : ""}`;
}

/** heights of the bars, in percent; a bucket with a line shows. */
export function heights(counts: number[]): number[] {
  const most = Math.max(1, ...counts);
  return counts.map((n) => (n ? Math.max(4, Math.round((n * 100) / most)) : 0));
}

export function LogOverview({ query, language, range, choose }: { query: string; language: Language; range: When; choose: (query: string) => void }) {
  const [seen, setSeen] = useState<Overview>();
  useEffect(() => {
    const abort = new AbortController();
    const params = new URLSearchParams({ query, language, ...bounds(range) });
    setSeen(undefined);
    // What is wrong with a query is said above its lines.
    get<Overview>(`/api/v1/namespaces/${namespace}/logs/overview?${params}`, abort.signal).then(setSeen, () => undefined);
    return () => abort.abort();
  }, [query, language, range]);
  if (!seen) return null;
  const bars = heights(seen.buckets.map((b) => b.count));
  const total = seen.buckets.reduce((n, b) => n + b.count, 0);
  return (
    <>
      <div class="histogram" role="img" aria-label={t("linesOverTime", { n: total })}>
        {seen.buckets.map((b, i) => (
          <span key={b.time} title={`${dateTime(b.time)}: ${b.count}`} style={{ height: `${bars[i]}%` }} />
        ))}
      </div>
      {seen.facets.length ? (
        <details class="facets">
          <summary>{t("fieldValues")}</summary>
          <dl>
            {seen.facets.map((f) => (
              <div key={f.field}>
                <dt>{f.field}</dt>
                {f.values.map((v) => (
                  <dd key={v.value}>
                    <button type="button" onClick={() => choose(narrowed(query, language, f.field, v.value))}>
                      {v.value} <small>{v.count}</small>
                    </button>
                  </dd>
                ))}
              </div>
            ))}
          </dl>
        </details>
      ) : null}
    </>
  );
}
