// The dashboards that ship and those that repositories keep, with what is wrong with
// files of theirs. Those of applications are on the pages of these.
import { useEffect, useState } from "preact/hooks";
import { t } from "../i18n";
import { get, namespace } from "../lib/api";
import { Link, to } from "../lib/router";
import { Empty, Problem } from "../lib/ui";

interface Item {
  name: string;
  title: string;
  description?: string;
  uid: string;
  namespace?: string;
  repository?: string;
  file?: string;
}

interface Wrong {
  repository?: string;
  file: string;
  line?: number;
  column?: number;
  message: string;
}

interface List {
  items: Item[] | null;
  problems?: Wrong[] | null;
}

function Cards({ label, items }: { label: string; items: Item[] }) {
  return (
    <ul class="cards" aria-label={label}>
      {items.map((i) => (
        <li key={i.name} class="panel">
          <h2>
            <Link href={i.namespace ? to("dashboards", "repo", i.namespace, i.uid) : to("dashboards", i.name)}>{i.title}</Link>
          </h2>
          {i.description ? <p class="hint">{i.description}</p> : null}
          {i.file ? (
            <p class="hint">
              {i.repository ? <Link href={to("repositories", i.repository)}>{i.repository}</Link> : null} {i.file}
            </p>
          ) : null}
        </li>
      ))}
    </ul>
  );
}

export function Boards() {
  const [shipped, setShipped] = useState<Item[]>();
  const [own, setOwn] = useState<List>({ items: [] });
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    const abort = new AbortController();
    const fail = (e: unknown) => abort.signal.aborted || setError(e);
    get<List>("/api/v1/dashboards?source=shipped", abort.signal).then((a) => setShipped(a.items ?? []), fail);
    get<List>(`/api/v1/dashboards?${new URLSearchParams({ source: "repository,configmap", namespace })}`, abort.signal).then(setOwn, fail);
    return () => abort.abort();
  }, [namespace]);
  return (
    <>
      <h1>{t("dashboards")}</h1>
      <p class="hint">{t("dashboardsHint")}</p>
      <Problem error={error} />
      {own.problems?.length ? (
        <div class="notice warn">
          <ul class="problems" aria-label={t("dashboardsWrong")}>
            {own.problems.map((p) => (
              <li key={`${p.repository} ${p.file} ${p.line} ${p.message}`}>
                {p.repository ? `${p.repository}: ` : ""}
                {[p.file, p.line, p.column].filter(Boolean).join(":")}: {p.message}
              </li>
            ))}
          </ul>
        </div>
      ) : null}
      {own.items?.length ? (
        <section>
          <h2>{t("dashboardsOwn")}</h2>
          <Cards label={t("dashboardsOwn")} items={own.items} />
        </section>
      ) : null}
      {shipped ? <Cards label={t("dashboards")} items={shipped} /> : error ? null : <Empty>{t("loading")}</Empty>}
    </>
  );
}
