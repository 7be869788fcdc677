import { useState } from "preact/hooks";
import { t } from "../i18n";
import { namespace } from "../lib/api";
import { LogOverview } from "../lib/logoverview";
import { FollowChoice, LogRows, RangeChoice, ranges, type Language, type Range } from "../lib/logrows";
import { go } from "../lib/router";
import { useTyped } from "../lib/ui";

/** address of a search: links from elsewhere lead to it. */
export function address(query: string, language: Language): string {
  const params = new URLSearchParams();
  if (query) params.set("query", query);
  if (language !== "logsql") params.set("language", language);
  const s = params.toString();
  return s ? `/logs?${s}` : "/logs";
}

export function Logs({ query, language }: { query: string; language: Language }) {
  const [typed, setTyped] = useTyped(query);
  const [range, setRange] = useState<Range>("lastHour");
  const [follow, setFollow] = useState(false);
  const search = (q: string, l: Language) => go(address(q, l), true);
  const download = () => {
    const start = new Date(Date.now() - ranges[range] * 1000).toISOString();
    const params = new URLSearchParams({ query, language, start, limit: "10000", download: "1" });
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
        <RangeChoice range={range} choose={setRange} />
        <FollowChoice follow={follow} choose={setFollow} />
        <button type="submit" class="primary">
          {t("search")}
        </button>
        <a href={download()} download>
          {t("saveLines")}
        </a>
      </form>
      <p class="hint">{t("logQueryHint")}</p>
      <LogOverview query={query} language={language} range={range} choose={(q) => search(q, language)} />
      <LogRows query={query} range={range} follow={follow} language={language} />
    </>
  );
}
