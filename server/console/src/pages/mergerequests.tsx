// What forges tell of a repository: its merge requests, and the webhooks that said so.
import { useState } from "preact/hooks";
import { t } from "../i18n";
import { get, path, post } from "../lib/api";
import { short } from "../lib/format";
import { Link, to } from "../lib/router";
import { Action, Ago, Problem, State, Table, type Column } from "../lib/ui";
import type { Delivery, MergeRequest, Repository } from "../types";

/** outside is a link to a forge, unless the address is something else than a page. */
export function outside(url: string | undefined): string | undefined {
  return url && /^https?:\/\//i.test(url) ? url : undefined;
}

/** Title of a merge request, which people outside wrote, with its page. */
export function RequestLink({ number, title, url }: { number: number; title?: string; url?: string }) {
  const text = `!${number} ${title ?? ""}`;
  const href = outside(url);
  return href ? (
    <a href={href} rel="noreferrer noopener" target="_blank">
      {text}
    </a>
  ) : (
    <>{text}</>
  );
}

export function MergeRequests({ repo }: { repo: Repository }) {
  const rows = [...(repo.status?.mergeRequests ?? [])].sort((a, b) => b.number - a.number);
  if (!rows.length) return null;
  const columns: Column<MergeRequest>[] = [
    { head: t("mergeRequest"), cell: (m) => <RequestLink number={m.number} title={m.title} url={m.url} /> },
    {
      head: t("phase"),
      cell: (m) => (
        <>
          <span class="tag">{t(requestState[m.state])}</span> {m.draft ? <span class="tag">{t("draft")}</span> : null} {m.fork ? <span class="tag">{t("fork")}</span> : null}
        </>
      ),
    },
    { head: t("branches"), cell: (m) => `${m.fork && m.sourceProject ? `${m.sourceProject}:` : ""}${m.source} → ${m.target}` },
    {
      head: t("commit"),
      cell: (m) =>
        m.commit ? (
          <>
            <code title={m.commit}>{short(m.commit)}</code> {m.sequence ? <Link href={to("runs", `${repo.metadata.name}-${m.sequence}`)}>{t("run")}</Link> : null}
          </>
        ) : (
          m.message
        ),
    },
    { head: t("by"), cell: (m) => m.author ?? "", wide: true },
    { head: t("updated"), cell: (m) => <Ago time={m.updated} /> },
  ];
  return (
    <section>
      <h2>{t("mergeRequests")}</h2>
      <Table label={t("mergeRequests")} rows={rows} columns={columns} id={(m) => String(m.number)} text={(m) => `!${m.number} ${m.title ?? ""} ${m.source} ${m.author ?? ""}`} />
    </section>
  );
}

const requestState = { opened: "requestOpened", merged: "requestMerged", closed: "requestClosed" } as const;

/** about says which refs or merge request a delivery is about. */
export function about(d: Delivery): string {
  const m = d.event.mergeRequest;
  if (m) return `!${m.number} ${m.state}`;
  return (d.event.refs ?? []).map((r) => r.name.replace(/^refs\/(heads|tags)\//, "")).join(" ");
}

/** acts says whether something follows from a delivery, so that it can be done again. */
export function acts(d: Delivery): boolean {
  return d.outcome !== "ignored" && d.outcome !== "refused";
}

const outcomes = { done: "Succeeded", failed: "Failed", refused: "Failed", ignored: "Skipped", "": "Pending" } as const;

export function Deliveries({ repository }: { repository: string }) {
  const [items, setItems] = useState<Delivery[]>();
  const [shown, setShown] = useState<Delivery>();
  const [error, setError] = useState<unknown>();
  const load = () => get<{ items: Delivery[] | null }>(path("Repository", repository, "deliveries")).then((a) => setItems(a.items ?? []), setError);
  const again = async (d: Delivery) => {
    await post(path("Repository", repository, "deliveries", String(d.number), "redeliver"));
    await load();
  };
  const show = (d: Delivery) => get<Delivery>(path("Repository", repository, "deliveries", String(d.number))).then(setShown, setError);
  const columns: Column<Delivery>[] = [
    { head: t("number"), cell: (d) => d.number },
    { head: t("event"), cell: (d) => d.event.name },
    { head: t("subject"), cell: about },
    {
      head: t("phase"),
      cell: (d) => (
        <>
          <State value={outcomes[d.outcome ?? ""]} /> {d.message}
        </>
      ),
    },
    { head: t("by"), cell: (d) => [d.forge, d.by].filter(Boolean).join(" · "), wide: true },
    { head: t("age"), cell: (d) => <Ago time={d.received} /> },
    {
      head: "",
      cell: (d) => (
        <>
          <Action label={t("show")} run={() => show(d)} /> {acts(d) ? <Action label={t("redeliver")} run={() => again(d)} /> : null}
        </>
      ),
    },
  ];
  return (
    <details onToggle={(e) => (e.currentTarget.open ? void load() : undefined)}>
      <summary>{t("deliveries")}</summary>
      <p class="hint">{t("deliveriesHint")}</p>
      <Problem error={error} />
      {items?.length ? <Table label={t("deliveries")} rows={items} columns={columns} id={(d) => String(d.number)} text={(d) => `${d.number} ${d.event.name} ${about(d)} ${d.message ?? ""} ${d.id}`} /> : null}
      {shown ? (
        <div class="evidence">
          <pre tabIndex={0}>
            {Object.entries(shown.headers ?? {})
              .map(([k, v]) => `${k}: ${v}\n`)
              .join("")}
            {"\n"}
            {pretty(shown.body ?? "")}
            {shown.truncated ? `\n… ${shown.size} B` : ""}
          </pre>
        </div>
      ) : null}
    </details>
  );
}

/** pretty is JSON with line breaks; anything else is as it is. */
export function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
