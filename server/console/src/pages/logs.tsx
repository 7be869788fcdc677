import { useState } from "preact/hooks";
import { t } from "../i18n";
import { FollowChoice, LogRows, RangeChoice, type Range } from "../lib/logrows";
import { go } from "../lib/router";

export function Logs({ query }: { query: string }) {
  const [typed, setTyped] = useState(query);
  const [range, setRange] = useState<Range>("lastHour");
  const [follow, setFollow] = useState(false);
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
        <RangeChoice range={range} choose={setRange} />
        <FollowChoice follow={follow} choose={setFollow} />
        <button type="submit" class="primary">
          {t("search")}
        </button>
      </form>
      <p class="hint">{t("logQueryHint")}</p>
      <LogRows query={query} range={range} follow={follow} />
    </>
  );
}
