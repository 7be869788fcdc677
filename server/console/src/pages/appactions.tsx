// What one can do with an application, each as a question that says what will happen.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../i18n";
import { get, namespace, path, post, raw, remove } from "../lib/api";
import type { AppPage } from "../lib/applist";
import { valueOf } from "../lib/format";
import { go } from "../lib/router";
import { useStore } from "../lib/store";
import type { TreeNode } from "../lib/tree";
import { Action, Ago, Empty, Rows, State, type Column } from "../lib/ui";
import type { Application, Promotion, Release } from "../types";
import { DiffText } from "./difftext";

/** Dialog is a modal form; Escape and the button close it. */
export function Dialog({ title, close, children }: { title: string; close: () => void; children: (shut: () => void) => ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    <dialog ref={dialog} onClose={close} aria-label={title} class="broad">
      <h2>{title}</h2>
      {children(() => dialog.current?.close())}
    </dialog>
  );
}

/** SyncDialog asks what to synchronise, and shows beforehand what that would change. */
export function SyncDialog({ app, nodes, close }: { app: Application; nodes: TreeNode[]; close: () => void }) {
  const name = app.metadata.name;
  const [prune, setPrune] = useState("");
  const [only, setOnly] = useState<string[]>([]);
  const [words, setWords] = useState("");
  const [preview, setPreview] = useState<string>();
  const objects = nodes.filter((n) => !n.parent && !n.hook && !n.extra).map((n) => `${n.kind}/${n.name}`);
  const ask = { ...(only.length ? { only } : {}), ...(prune ? { prune: prune === "true" } : {}) };
  const dry = async () => {
    const q = new URLSearchParams(only.map((o) => ["only", o]));
    if (prune) q.set("prune", prune);
    setPreview(await (await raw(`${path("Application", name, "preview")}?${q}`)).text());
  };
  return (
    <Dialog title={t("syncApp", { name })} close={close}>
      {(shut) => (
        <>
          <label class="line">
            {t("pruneAsk")}{" "}
            <select value={prune} onChange={(e) => setPrune(e.currentTarget.value)}>
              <option value="">{t("asTheAppSays")}</option>
              <option value="true">{t("pruneYes")}</option>
              <option value="false">{t("pruneNo")}</option>
            </select>
          </label>
          {objects.length > 1 ? (
            <details>
              <summary>{only.length ? t("onlySome", { n: only.length, total: objects.length }) : t("allObjects", { n: objects.length })}</summary>
              {objects.length > 8 ? <input type="search" class="filter" placeholder={t("filter")} aria-label={t("filterObjects")} value={words} onInput={(e) => setWords(e.currentTarget.value)} /> : null}
              <div class="choices">
                {objects
                  .filter((o) => o.toLowerCase().includes(words.toLowerCase()))
                  .slice(0, 200)
                  .map((o) => (
                    <label key={o}>
                      <input
                        type="checkbox"
                        checked={only.includes(o)}
                        onChange={(e) => {
                          const on = e.currentTarget.checked;
                          setOnly(on ? [...only, o] : only.filter((x) => x !== o));
                          setPreview(undefined);
                        }}
                      />{" "}
                      {o}
                    </label>
                  ))}
              </div>
              <p class="hint">{t("onlyHint")}</p>
            </details>
          ) : null}
          {preview === undefined ? null : <DiffText text={preview} />}
          <div class="row end">
            <button type="button" onClick={shut}>
              {t("cancel")}
            </button>
            <Action label={t("dryRun")} run={dry} />
            <Action label={t("syncGo")} class="primary" run={() => post(path("Application", name, "sync"), ask)} onDone={shut} />
          </div>
        </>
      )}
    </Dialog>
  );
}

/** PromoteDialog takes a healthy release to an application that is promoted to from this one. */
export function PromoteDialog({ app, releases, close }: { app: Application; releases: Release[]; close: () => void }) {
  const name = app.metadata.name;
  const [targets, setTargets] = useState<Application[]>();
  const [chosen, setChosen] = useState("");
  const healthy = releases.filter((r) => r.status?.result === "Healthy");
  const [release, setRelease] = useState(String(app.status?.healthy ?? ""));
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    get<AppPage>(`/api/v1/namespaces/${namespace}/applications?brief=true&limit=200&promotedFrom=${encodeURIComponent(name)}`).then((p) => {
      setTargets(p.items ?? []);
      setChosen(p.items?.[0]?.metadata.name ?? "");
    }, setError);
  }, [name]);
  return (
    <Dialog title={t("promoteApp", { name })} close={close}>
      {(shut) => (
        <>
          {targets && !targets.length ? <Empty>{t("noTargets", { name })}</Empty> : null}
          {error ? <p class="notice bad">{String(error)}</p> : null}
          {targets?.length ? (
            <>
              <label class="line">
                {t("release")}{" "}
                <select value={release} onChange={(e) => setRelease(e.currentTarget.value)}>
                  {healthy.map((r) => (
                    <option key={r.spec.number} value={String(r.spec.number)}>
                      #{r.spec.number} {valueOf(r.spec.desired)} {r.spec.subject ?? ""}
                    </option>
                  ))}
                </select>
              </label>
              <label class="line">
                {t("promoteTo")}{" "}
                <select value={chosen} onChange={(e) => setChosen(e.currentTarget.value)}>
                  {targets.map((a) => (
                    <option key={a.metadata.name} value={a.metadata.name}>
                      {a.metadata.name}
                      {a.spec.promotion?.approvals ? ` (${t("needsApprovals", { n: a.spec.promotion.approvals })})` : ""}
                    </option>
                  ))}
                </select>
              </label>
            </>
          ) : null}
          <div class="row end">
            <button type="button" onClick={shut}>
              {t("cancel")}
            </button>
            {targets?.length && healthy.length ? (
              <Action label={t("promote")} class="primary" run={() => post(path("Application", name, "promote"), { to: chosen, release: Number(release) })} onDone={shut} />
            ) : null}
          </div>
        </>
      )}
    </Dialog>
  );
}

/** DeleteDialog deletes an application, with its objects or without; its name is typed first. */
export function DeleteDialog({ app, close }: { app: Application; close: () => void }) {
  const name = app.metadata.name;
  const [typed, setTyped] = useState("");
  const [cascade, setCascade] = useState(app.spec.deletion !== "orphan");
  return (
    <Dialog title={t("deleteApp", { name })} close={close}>
      {(shut) => (
        <>
          <label class="line">
            <input type="checkbox" checked={cascade} onChange={(e) => setCascade(e.currentTarget.checked)} /> {t("deleteObjects", { n: app.status?.inventory?.length ?? 0 })}
          </label>
          <p class="hint">{t(cascade ? "deleteHint" : "orphanHint")}</p>
          <label class="line">
            {t("typeName", { name })} <input value={typed} onInput={(e) => setTyped(e.currentTarget.value)} />
          </label>
          <div class="row end">
            <button type="button" onClick={shut}>
              {t("cancel")}
            </button>
            {typed === name ? (
              <Action
                label={t("delete")}
                class="danger"
                run={() => remove(`${path("Application", name)}?cascade=${cascade}`)}
                onDone={() => {
                  shut();
                  go("/applications");
                }}
              />
            ) : null}
          </div>
        </>
      )}
    </Dialog>
  );
}

/** Promotions to and from an application; those that wait can be decided. */
export function Promotions({ name }: { name: string }) {
  const rows = useStore()
    .all("Promotion")
    .filter((p) => p.spec.to === name || p.spec.from === name)
    .sort((a, b) => (b.metadata.creationTimestamp ?? "").localeCompare(a.metadata.creationTimestamp ?? ""))
    .slice(0, 20);
  if (!rows.length) return null;
  const decide = (p: Promotion, verb: "approve" | "reject") => post(path("Promotion", p.metadata.name, verb));
  const columns: Column<Promotion>[] = [
    { head: t("from"), cell: (p) => `${p.spec.from} #${p.spec.release}` },
    { head: t("promoteTo"), cell: (p) => p.spec.to },
    { head: t("phase"), cell: (p) => <State value={p.status?.phase ?? "Pending"} /> },
    { head: t("commit"), cell: (p) => <code>{p.status?.desired ? valueOf(p.status.desired) : ""}</code>, wide: true },
    { head: t("by"), cell: (p) => p.spec.by ?? "", wide: true },
    { head: t("approvals"), cell: (p) => [`${p.status?.approvals?.length ?? 0}/${p.status?.required ?? 0}`, ...(p.status?.approvals ?? []).map((a) => a.by)].join(" "), wide: true },
    { head: t("age"), cell: (p) => <Ago time={p.metadata.creationTimestamp} />, wide: true },
    { head: t("message"), cell: (p) => p.status?.message ?? "", wide: true },
    {
      head: "",
      cell: (p) =>
        (p.status?.phase ?? "Pending") === "Pending" ? (
          <>
            <Action label={t("approve")} run={() => decide(p, "approve")} /> <Action label={t("reject")} run={() => decide(p, "reject")} />
          </>
        ) : null,
    },
  ];
  return (
    <section>
      <h2>{t("promotions")}</h2>
      <Rows label={t("promotions")} rows={rows} columns={columns} id={(p) => p.metadata.name} />
    </section>
  );
}
