// What is in a repository: trees, files, histories, commits and comparisons. All of it
// is text that others wrote, and is shown as text.
import { useEffect, useState } from "preact/hooks";
import { t } from "../i18n";
import { get, path } from "../lib/api";
import { address, crumbs, rawOf, source, type View } from "../lib/browse";
import { bytes, short } from "../lib/format";
import { go, Link, to } from "../lib/router";
import { Ago, Empty, Problem, Table, type Column } from "../lib/ui";
import { CommitView, CompareView, type Commit, type Comparison, type ShownCommit } from "./diff";

interface Entry {
  path: string;
  kind: "file" | "executable" | "link" | "directory" | "submodule";
  size?: number;
}

interface Blob_ {
  commit: string;
  path: string;
  size: number;
  kind: string;
  binary?: boolean;
  large?: boolean;
  text: string;
}

interface Ref {
  name: string;
  kind: "branch" | "tag";
  commit: string;
  default?: boolean;
}

type Found = { items: Entry[] } & Blob_ & { items: Commit[]; more?: boolean } & ShownCommit & Comparison;

/** useFound asks for what a view shows, anew for each view. */
function useFound(at: string): { found?: Found; error?: unknown } {
  const [state, set] = useState<{ at: string; found?: Found; error?: unknown }>({ at });
  useEffect(() => {
    const stop = new AbortController();
    get<Found>(at, stop.signal).then(
      (found) => set({ at, found }),
      (error) => !stop.signal.aborted && set({ at, error }),
    );
    return () => stop.abort();
  }, [at]);
  return state.at === at ? state : {};
}

export function Browse({ name, view }: { name: string; view: View }) {
  const { found, error } = useFound(source(name, view));
  return (
    <>
      <div class="row head">
        <h1>
          <Link href={to("repositories", name)}>{name}</Link>
        </h1>
        {"path" in view ? <Places name={name} view={view} /> : null}
      </div>
      {error ? <Problem error={error} /> : null}
      {!found ? error ? null : <Empty>{t("loading")}</Empty> : <Shown name={name} view={view} found={found} />}
    </>
  );
}

function Shown({ name, view, found }: { name: string; view: View; found: Found }) {
  switch (view.kind) {
    case "tree":
      return <Tree name={name} at={view.ref} dir={view.path} items={found.items} />;
    case "file":
      return <File name={name} at={view.ref} file={found} />;
    case "log":
      return <History name={name} view={view} items={found.items} more={found.more} />;
    case "commit":
      return <CommitView name={name} commit={found} />;
    case "compare":
      return <CompareView name={name} view={view} found={found} />;
  }
}

type PathView = Extract<View, { path: string }>;

/** Places: which branch or tag, where in it, and the ways from file to history and back. */
function Places({ name, view }: { name: string; view: PathView }) {
  const [refs, setRefs] = useState<Ref[]>([]);
  useEffect(() => {
    get<{ items: Ref[] }>(path("Repository", name, "refs")).then((r) => setRefs(r.items), () => undefined);
  }, [name]);
  const known = refs.some((r) => (view.ref ? r.name === view.ref : r.default));
  const main = refs.find((r) => r.default)?.name ?? "";
  const steps = crumbs(view.path);
  return (
    <>
      <select aria-label={t("branch")} value={view.ref || main} onChange={(e) => go(address(name, { ...view, ref: e.currentTarget.value, skip: 0 }))}>
        {known ? null : <option value={view.ref || main}>{view.ref.length === 40 ? short(view.ref) : view.ref}</option>}
        {refs.map((r) => (
          <option key={r.kind + r.name} value={r.name}>
            {r.name}
          </option>
        ))}
      </select>
      <nav class="crumbs" aria-label={t("path")}>
        {steps.map((s, i) => {
          const last = i === steps.length - 1;
          const kind = last && view.kind !== "log" ? view.kind : "tree";
          return (
            <Link key={s.path} href={address(name, { kind, ref: view.ref, path: s.path, skip: 0 })} aria-current={last ? "page" : undefined}>
              {s.name}
            </Link>
          );
        })}
      </nav>
      <span class="fill" />
      {view.kind === "log" ? null : <Link href={address(name, { ...view, kind: "log", skip: 0 })}>{t("history")}</Link>}
      {view.kind === "file" ? (
        <a href={rawOf(name, view.ref, view.path)} download={view.path.split("/").pop()}>
          {t("download")}
        </a>
      ) : null}
    </>
  );
}

const signs = { directory: "▸", file: "", executable: "*", link: "→", submodule: "◇" };

function Tree({ name, at, dir, items }: { name: string; at: string; dir: string; items: Entry[] }) {
  const rows = [...items].sort((a, b) => Number(b.kind === "directory") - Number(a.kind === "directory") || a.path.localeCompare(b.path));
  const columns: Column<Entry>[] = [
    {
      head: t("file"),
      cell: (e) => {
        const label = e.path.slice(dir ? dir.length + 1 : 0);
        if (e.kind === "submodule") return `${signs[e.kind]} ${label}`;
        const kind = e.kind === "directory" ? "tree" : "file";
        return (
          <>
            <span class="sign" aria-hidden="true">
              {signs[e.kind]}
            </span>
            <Link href={address(name, { kind, ref: at, path: e.path, skip: 0 })}>{label}</Link>
          </>
        );
      },
    },
    { head: t("size"), cell: (e) => (e.kind === "file" || e.kind === "executable" ? bytes(e.size ?? 0) : "") },
  ];
  if (rows.length === 0) return <Empty>{t("emptyDirectory")}</Empty>;
  return <Table label={t("files")} rows={rows} columns={columns} id={(e) => e.path} text={(e) => e.path} />;
}

function File({ name, at, file }: { name: string; at: string; file: Blob_ }) {
  const save = (
    <a href={rawOf(name, at, file.path)} download={file.path.split("/").pop()}>
      {t("download")}
    </a>
  );
  const facts = `${bytes(file.size)}${file.kind === "link" ? ` · ${t("linkFile")}` : ""}`;
  if (file.binary || file.large) {
    return (
      <p class="notice">
        {t(file.binary ? "binaryFile" : "largeFile")} ({facts}) {save}
      </p>
    );
  }
  const lines = file.text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return (
    <>
      <p class="hint">{facts}</p>
      <div class="code" tabIndex={0} role="region" aria-label={file.path}>
        <ol>
          {lines.map((l, i) => (
            <li key={i} id={`L${i + 1}`}>
              <a class="number" href={`#L${i + 1}`} aria-label={String(i + 1)} tabIndex={-1}>
                {i + 1}
              </a>
              {l}
              {"\n"}
            </li>
          ))}
        </ol>
      </div>
    </>
  );
}

function History({ name, view, items, more }: { name: string; view: PathView; items: Commit[]; more?: boolean }) {
  const columns: Column<Commit>[] = [
    {
      head: t("message"),
      cell: (c) => <Link href={address(name, { kind: "commit", commit: c.hash })}>{c.subject || short(c.hash)}</Link>,
    },
    { head: t("author"), cell: (c) => c.author, wide: true },
    { head: t("age"), cell: (c) => <Ago time={c.time} /> },
    {
      head: t("commit"),
      cell: (c) => (
        <Link href={address(name, { kind: "tree", ref: c.hash, path: "", skip: 0 })}>
          <code>{short(c.hash)}</code>
        </Link>
      ),
      wide: true,
    },
  ];
  if (items.length === 0) return <Empty>{t("noCommits")}</Empty>;
  return (
    <>
      <Table label={t("history")} rows={items} columns={columns} id={(c) => c.hash} />
      <div class="row pager">
        {view.skip > 0 ? <Link href={address(name, { ...view, skip: Math.max(0, view.skip - 50) })}>{t("newer")}</Link> : null}
        {more ? <Link href={address(name, { ...view, skip: view.skip + items.length })}>{t("older")}</Link> : null}
      </div>
    </>
  );
}
