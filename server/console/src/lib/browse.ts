// Addresses of what is in a repository, and patches as lines. Text only: nothing here
// makes markup.
import { path } from "./api";
import { to } from "./router";

/** View is what of a repository is looked at; every one has an address of its own. */
export type View =
  | { kind: "tree" | "file" | "log"; ref: string; path: string; skip: number }
  | { kind: "commit"; commit: string }
  | { kind: "compare"; from: string; to: string };

/** viewOf the query of an address, or undefined where it names none. */
export function viewOf(q: URLSearchParams): View | undefined {
  const commit = q.get("commit");
  if (commit !== null) return { kind: "commit", commit };
  const compare = q.get("compare");
  if (compare !== null) {
    // Branches have no "..", so the first dots part them.
    const at = compare.indexOf("...");
    return at < 0 ? { kind: "compare", from: "", to: compare } : { kind: "compare", from: compare.slice(0, at), to: compare.slice(at + 3) };
  }
  for (const kind of ["tree", "file", "log"] as const) {
    const p = q.get(kind);
    if (p !== null) return { kind, ref: q.get("ref") ?? "", path: p.replace(/^\/+|\/+$/g, ""), skip: Math.max(0, Number.parseInt(q.get("skip") ?? "0", 10) || 0) };
  }
  return undefined;
}

/** address of a view within the page. */
export function address(repo: string, v: View): string {
  const q = new URLSearchParams();
  switch (v.kind) {
    case "commit":
      q.set("commit", v.commit);
      break;
    case "compare":
      q.set("compare", `${v.from}...${v.to}`);
      break;
    default:
      q.set(v.kind, v.path);
      if (v.ref) q.set("ref", v.ref);
      if (v.skip) q.set("skip", String(v.skip));
  }
  return `${to("repositories", repo)}?${q}`;
}

/** source is the request for what a view shows. */
export function source(repo: string, v: View): string {
  switch (v.kind) {
    case "commit":
      return path("Repository", repo, "commits", v.commit);
    case "compare":
      return `${path("Repository", repo, "compare")}?${new URLSearchParams({ from: v.from, to: v.to })}`;
    case "log":
      return `${path("Repository", repo, "commits")}?${new URLSearchParams({ ref: v.ref, path: v.path, skip: String(v.skip), limit: "50" })}`;
    default:
      return `${path("Repository", repo, v.kind)}?${new URLSearchParams({ ref: v.ref, path: v.path })}`;
  }
}

/** raw is where a file is to be had as it is. */
export function rawOf(repo: string, ref: string, file: string): string {
  return `${path("Repository", repo, "raw")}?${new URLSearchParams({ ref, path: file })}`;
}

/** crumbs are the directories above a path, the root first, and the path itself. */
export function crumbs(p: string): { name: string; path: string }[] {
  const out = [{ name: "/", path: "" }];
  const parts = p.split("/").filter(Boolean);
  parts.forEach((name, i) => out.push({ name, path: parts.slice(0, i + 1).join("/") }));
  return out;
}

export interface PatchLine {
  kind: "hunk" | "same" | "added" | "removed" | "note";
  old?: number;
  new?: number;
  text: string;
}

/** patchLines numbers the lines of hunks in the unified form. */
export function patchLines(patch: string): PatchLine[] {
  const out: PatchLine[] = [];
  let before = 0;
  let after = 0;
  const lines = patch.split("\n");
  if (lines.at(-1) === "") lines.pop();
  for (const line of lines) {
    const head = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/.exec(line);
    const text = line.slice(1);
    if (head) {
      before = Number(head[1]);
      after = Number(head[2]);
      out.push({ kind: "hunk", text: line });
    } else if (line.startsWith("+")) out.push({ kind: "added", new: after++, text });
    else if (line.startsWith("-")) out.push({ kind: "removed", old: before++, text });
    else if (line.startsWith("\\")) out.push({ kind: "note", text: line.slice(2) });
    else out.push({ kind: "same", old: before++, new: after++, text });
  }
  return out;
}
