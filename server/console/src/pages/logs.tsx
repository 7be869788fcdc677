import { useState } from "preact/hooks";
import { t } from "../i18n";
import { namespace } from "../lib/api";
import { dateTime } from "../lib/format";
import { LogOverview } from "../lib/logoverview";
import { bounds, FollowChoice, LogRows, RangeChoice, type Language, type Range, type When } from "../lib/logrows";
import { go } from "../lib/router";
import { useTyped } from "../lib/ui";

/** address of a search: links from elsewhere lead to it. */
export function address(query: string, language: Language, when?: When): string {
  const params = new URLSearchParams();
  if (query) params.set("query", query);
  if (language !== "logsql") params.set("language", language);
  if (when?.includes("/")) for (const [k, v] of Object.entries(bounds(when))) params.set(k, v);
  else if (when && when !== "lastHour") params.set("last", when);
  const s = params.toString();
  return s ? `/logs?${s}` : "/logs";
}

export function Logs({ query, language, when }: { query: string; language: Language; when?: When }) {
  const [typed, setTyped] = useTyped(query);
  const range = when ?? "lastHour";
  const [follow, setFollow] = useState(false);
  const search = (q: string, l: Language) => go(address(q, l, when), false, true);
  const download = (format: string) => {
    const params = new URLSearchParams({ query, language, ...bounds(range), limit: query.includes("|") ? "10000" : "all", format, download: "1" });
    return `/api/v1/namespaces/${namespace}/logs?${params}`;
  };
  return (
    <>
      <h1>{t("logs")}</h1>
      <form
        class="row tools"
        role="search"
        onSubmit={(e) => {
          e.preventDefault();
          search(typed, language);
        }}
      >
        <input type="search" class="fill" placeholder={t("logQuery")} aria-label={t("logQuery")} value={typed} onInput={(e) => setTyped(e.currentTarget.value)} />
        <select aria-label={t("logLanguage")} value={language} onChange={(e) => search(typed, e.currentTarget.value as Language)}>
          <option value="logsql">LogsQL</option>
          <option value="lucene">query_string</option>
        </select>
        {when?.includes("/") ? (
          <button type="button" class="span" title={t("anyTime")} aria-label={t("anyTime")} onClick={() => go(address(query, language), false, true)}>
            {dateTime(bounds(when).start)} – {bounds(when).end ? dateTime(bounds(when).end) : ""} ✕
          </button>
        ) : (
          <RangeChoice range={range as Range} choose={(r) => go(address(query, language, r), false, true)} />
        )}
        <FollowChoice follow={follow} choose={setFollow} />
        <button type="submit" class="primary">
          {t("search")}
        </button>
        <a href={download("json")} download>
          {t("saveLines")}
        </a>
        <a href={download("csv")} download>
          CSV
        </a>
        <a href={download("raw")} download>
          {t("plainText")}
        </a>
      </form>
      <p class="hint">{t("logQueryHint")}</p>
      <LogOverview query={query} language={language} range={range} choose={(q) => search(q, language)} />
      <LogRows query={query} range={range} follow={follow} language={language} />
    </>
  );
}
