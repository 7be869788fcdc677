// Commits and comparisons: what changed, file by file.
import { t } from "../i18n";
import { address, patchLines, type View } from "../lib/browse";
import { dateTime, short } from "../lib/format";
import { Link } from "../lib/router";
import { Copy, Empty } from "../lib/ui";

export interface Commit {
  hash: string;
  subject: string;
  message: string;
  author: string;
  email: string;
  time: string;
  parents?: string[];
}

interface FileDiff {
  path: string;
  old?: string;
  status: "added" | "deleted" | "modified" | "renamed" | "retyped";
  additions: number;
  deletions: number;
  binary?: boolean;
  large?: boolean;
  patch?: string;
}

interface Diff {
  from?: string;
  to: string;
  files: FileDiff[];
  more?: boolean;
}

export type ShownCommit = Commit & { diff: Diff };

export interface Comparison {
  from: string;
  to: string;
  base?: string;
  commits: { items: Commit[]; more?: boolean };
  diff: Diff;
}

export function CommitView({ name, commit }: { name: string; commit: ShownCommit }) {
  const rest = commit.message.trim().split("\n").slice(1).join("\n").trim();
  return (
    <>
      <h2>{commit.subject}</h2>
      {rest ? <pre>{rest}</pre> : null}
      <dl class="facts">
        <div>
          <dt>{t("author")}</dt>
          <dd>
            {commit.author} &lt;{commit.email}&gt;
          </dd>
        </div>
        <div>
          <dt>{t("time")}</dt>
          <dd>{dateTime(commit.time)}</dd>
        </div>
        {(commit.parents ?? []).map((p) => (
          <div key={p}>
            <dt>{t("parentCommit")}</dt>
            <dd>
              <Link href={address(name, { kind: "commit", commit: p })}>
                <code>{short(p)}</code>
              </Link>
            </dd>
          </div>
        ))}
        <div>
          <dt>{t("files")}</dt>
          <dd>
            <Link href={address(name, { kind: "tree", ref: commit.hash, path: "", skip: 0 })}>{t("browseHere")}</Link>
          </dd>
        </div>
      </dl>
      <Copy text={commit.hash} />
      <DiffView name={name} diff={commit.diff} />
    </>
  );
}

export function CompareView({ name, view, found }: { name: string; view: Extract<View, { kind: "compare" }>; found: Comparison }) {
  return (
    <>
      <h2>{t("comparison", { from: view.from || short(found.from), to: view.to || short(found.to) })}</h2>
      {found.commits.items.length === 0 ? <Empty>{t("noCommits")}</Empty> : null}
      <ul class="commits">
        {found.commits.items.map((c) => (
          <li key={c.hash}>
            <Link href={address(name, { kind: "commit", commit: c.hash })}>
              <code>{short(c.hash)}</code> {c.subject}
            </Link>{" "}
            <span class="hint">{c.author}</span>
          </li>
        ))}
      </ul>
      {found.commits.more ? <p class="hint">{t("moreLeftOut")}</p> : null}
      <DiffView name={name} diff={found.diff} />
    </>
  );
}

function DiffView({ name, diff }: { name: string; diff: Diff }) {
  const added = diff.files.reduce((n, f) => n + f.additions, 0);
  const removed = diff.files.reduce((n, f) => n + f.deletions, 0);
  return (
    <section aria-label={t("changedFiles", { n: diff.files.length })}>
      <h2>
        {t("changedFiles", { n: diff.files.length })} <span class="added">+{added}</span> <span class="removed">−{removed}</span>
      </h2>
      {diff.files.map((f, i) => (
        <FileView key={f.path} name={name} at={diff.to} file={f} open={i < 50} />
      ))}
      {diff.more ? <p class="notice">{t("moreLeftOut")}</p> : null}
    </section>
  );
}

const signs = { added: "+", deleted: "−", modified: "~", renamed: "→", retyped: "~" };

function FileView({ name, at, file, open }: { name: string; at: string; file: FileDiff; open: boolean }) {
  const lines = patchLines(file.patch ?? "");
  return (
    <details class="file" open={open}>
      <summary>
        <span class={file.status === "added" ? "added" : file.status === "deleted" ? "removed" : undefined}>{signs[file.status]}</span> {file.old ? `${file.old} → ` : ""}
        {file.path} <span class="added">+{file.additions}</span> <span class="removed">−{file.deletions}</span>
      </summary>
      {file.binary ? <p class="hint">{t("binaryFile")}</p> : null}
      {file.large ? <p class="hint">{t("largeFile")}</p> : null}
      {file.status === "deleted" ? null : (
        <p>
          <Link href={address(name, { kind: "file", ref: at, path: file.path, skip: 0 })}>{t("showFile")}</Link>
        </p>
      )}
      {lines.length ? (
        <div class="code diff" tabIndex={0} role="region" aria-label={file.path}>
          <table>
            <tbody>
              {lines.map((l, i) => (
                <tr key={i} class={l.kind}>
                  <td class="number">{l.old}</td>
                  <td class="number">{l.new}</td>
                  <td class="mark">{l.kind === "added" ? "+" : l.kind === "removed" ? "−" : ""}</td>
                  <td class="text">{l.text}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
    </details>
  );
}
