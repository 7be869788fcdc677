import { useEffect, useState } from "preact/hooks";
import { t, word } from "../i18n";
import { BoardLink } from "../lib/boardlink";
import { addressOf, filterOf, useApplications, type AppFilter } from "../lib/applist";
import { namespace } from "../lib/api";
import { valueOf } from "../lib/format";
import { go, Link, to, usePlace } from "../lib/router";
import { useStore } from "../lib/store";
import { Empty, Problem, Rows, State, useTyped, type Column } from "../lib/ui";
import type { Application } from "../types";
import { AppForm } from "./appform";
import { ApplicationSets } from "./appsets";

const pageSize = 50;
const healths = ["Healthy", "Progressing", "Degraded", "Unknown"] as const;
const syncs = ["Synced", "OutOfSync", "Pinned", "Failed"] as const;

/** syncOf an application that is pinned is that, unless what is pinned failed. */
export function syncOf(a: Application): string {
  return a.spec.pin && a.status?.sync !== "Failed" ? "Pinned" : (a.status?.sync ?? "Unknown");
}

export function Applications() {
  const filter = filterOf(usePlace().query);
  const address = addressOf(filter);
  // The places of the pages before this one, so that one can go back.
  const [places, setPlaces] = useState<string[]>([]);
  useEffect(() => setPlaces([]), [address]);
  const after = places.at(-1) ?? "";
  const { page, error } = useApplications(filter, pageSize, after);
  const [making, setMaking] = useState(false);
  const items = page?.items ?? [];
  const first = places.length * pageSize + 1;
  const columns: Column<Application>[] = [
    ...(filter.all ? [{ head: t("namespaceShort"), cell: (a: Application) => a.metadata.namespace ?? "" }] : []),
    { head: t("name"), cell: (a) => <ApplicationLink app={a} /> },
    { head: t("health"), cell: (a) => <State value={a.status?.health ?? "Unknown"} /> },
    { head: t("sync"), cell: (a) => <State value={syncOf(a)} /> },
    { head: t("release"), cell: (a) => a.status?.current || "" },
    { head: t("message"), cell: (a) => <span class="clip" title={a.status?.message}>{a.status?.message}</span>, wide: true },
    { head: t("repository"), cell: (a) => a.spec.source.repository ?? a.spec.source.helm?.chart ?? "", wide: true },
    { head: t("commit"), cell: (a) => <code>{valueOf(a.spec.desired)}</code>, wide: true },
    ...(items.some((a) => a.status?.addresses?.length) ? [{ head: t("addresses"), cell: (a: Application) => <Addresses list={a.status?.addresses} />, wide: true }] : []),
  ];
  const narrow = address !== "/applications";
  return (
    <>
      <div class="row head">
        <h1>{t("applications")}</h1>
        <span class="fill" />
        <BoardLink board="gitops" ofNamespace />
        <button type="button" onClick={() => setMaking(true)}>
          {t("newAppButton")}
        </button>
      </div>
      <Filters filter={filter} health={page?.health ?? {}} sync={page?.sync ?? {}} />
      <Problem error={error} />
      {items.length ? (
        <>
          <Rows label={t("applications")} rows={items} columns={columns} id={(a) => `${a.metadata.namespace}/${a.metadata.name}`} />
          <div class="row pager">
            <button type="button" disabled={!places.length} onClick={() => setPlaces(places.slice(0, -1))}>
              {t("previous")}
            </button>
            <span aria-live="polite">{t("showing", { from: first, to: first + items.length - 1, total: page?.total ?? 0 })}</span>
            <button type="button" disabled={!page?.metadata?.continue} onClick={() => setPlaces([...places, page?.metadata?.continue ?? ""])}>
              {t("next")}
            </button>
          </div>
        </>
      ) : (
        <Empty>{page ? t(narrow ? "noneMatch" : "noApplications") : error ? "" : t("loading")}</Empty>
      )}
      {narrow ? null : <ApplicationSets />}
      {making ? <AppForm close={() => setMaking(false)} /> : null}
    </>
  );
}

/** A link to an application names its namespace where it is another one than is shown. */
function ApplicationLink({ app }: { app: Application }) {
  const { name, namespace: ns } = app.metadata;
  return (
    <span class="named">
      <Link href={ns && ns !== namespace ? to("applications", ns, name) : to("applications", name)}>{name}</Link>
    </span>
  );
}

function Filters({ filter, health, sync }: { filter: AppFilter; health: Record<string, number>; sync: Record<string, number> }) {
  const store = useStore();
  const [typed, setTyped] = useTyped(filter.q ?? "");
  const change = (more: AppFilter) => go(addressOf({ ...filter, ...more }), true);
  // As one types, but not at every key.
  useEffect(() => {
    if (typed === (filter.q ?? "")) return;
    const timer = window.setTimeout(() => change({ q: typed }), 250);
    return () => window.clearTimeout(timer);
  }, [typed]);
  const repositories = store
    .all("Repository")
    .map((r) => r.metadata.name)
    .sort();
  const count = (n: number | undefined) => (n === undefined ? "" : ` (${n})`);
  return (
    <form class="row tools" role="search" onSubmit={(e) => e.preventDefault()}>
      <input type="search" class="fill" placeholder={t("search")} aria-label={t("search")} value={typed} onInput={(e) => setTyped(e.currentTarget.value)} />
      <select aria-label={t("health")} value={filter.health ?? ""} onChange={(e) => change({ health: e.currentTarget.value })}>
        <option value="">{t("anyHealth")}</option>
        {healths.map((h) => (
          <option key={h} value={h}>
            {word(h) + count(health[h])}
          </option>
        ))}
      </select>
      <select aria-label={t("sync")} value={filter.sync ?? ""} onChange={(e) => change({ sync: e.currentTarget.value })}>
        <option value="">{t("anySync")}</option>
        {syncs.map((s) => (
          <option key={s} value={s}>
            {word(s) + count(sync[s])}
          </option>
        ))}
      </select>
      {repositories.length > 1 ? (
        <select aria-label={t("repository")} value={filter.repository ?? ""} onChange={(e) => change({ repository: e.currentTarget.value })}>
          <option value="">{t("anyRepository")}</option>
          {repositories.map((r) => (
            <option key={r} value={r}>
              {r}
            </option>
          ))}
        </select>
      ) : null}
      <label>
        <input type="checkbox" checked={filter.failing ?? false} onChange={(e) => change({ failing: e.currentTarget.checked })} /> {t("failing")}
      </label>
      <label>
        <input type="checkbox" checked={filter.all ?? false} onChange={(e) => change({ all: e.currentTarget.checked })} /> {t("allNamespaces")}
      </label>
    </form>
  );
}

/** Addresses are links only where they are plainly web addresses. */
export function Addresses({ list }: { list?: string[] }) {
  return (
    <>
      {(list ?? []).map((a) => {
        const url = /^https?:\/\//.test(a) ? a : /^[\w.[\]:-]+:\d+$/.test(a) ? `http://${a}` : "";
        return (
          <span key={a} class="address">
            {url ? (
              <a href={url} target="_blank" rel="noopener noreferrer">
                {a}
              </a>
            ) : (
              a
            )}
          </span>
        );
      })}
    </>
  );
}
