// What is in the fixture's repository, with text that tries to be markup in every place.
type Answer = Record<string, unknown> | undefined;

export function repository(planted: string, rest: string, q: URLSearchParams): Answer {
  const hash = (c: string) => c.repeat(40);
  const dir = `a<b>/${planted}`;
  const commit = (c: string) => ({
    hash: hash(c), subject: `Change ${c} ${planted}`, message: `Change ${c} ${planted}\n\nMore of it.\n`, author: `Ann ${planted}`, email: "ann@example.org",
    time: new Date(Date.now() - 60_000).toISOString(), parents: c === "a" ? [] : [hash("a")],
  });
  const diff = {
    from: hash("a"), to: hash("b"),
    files: [
      { path: `deploy/web.yaml`, status: "modified", additions: 1, deletions: 1, patch: `@@ -1,2 +1,2 @@\n kind: Deployment\n-old ${planted}\n+new ${planted}\n` },
      { path: `new ${planted}`, old: "old", status: "renamed", additions: 0, deletions: 0 },
      { path: "picture.png", status: "added", additions: 0, deletions: 0, binary: true },
    ],
  };
  switch (rest) {
    case "refs":
      return { defaultBranch: "main", items: [{ name: "main", kind: "branch", commit: hash("b"), default: true }, { name: `topic/${planted}`, kind: "branch", commit: hash("a") }] };
    case "tree":
      return q.get("path") === "deploy"
        ? { commit: hash("b"), items: [{ path: "deploy/web.yaml", kind: "file", size: 300 }] }
        : { commit: hash("b"), items: [{ path: "deploy", kind: "directory" }, { path: dir, kind: "file", size: 5 }, { path: "picture.png", kind: "file", size: 7000 }, { path: "out", kind: "link" }, { path: "lib", kind: "submodule" }] };
    case "file":
      return q.get("path") === "picture.png"
        ? { commit: hash("b"), path: "picture.png", size: 7000, kind: "file", binary: true, text: "" }
        : { commit: hash("b"), path: q.get("path"), size: 300, kind: "file", text: `kind: Deployment\n# ${planted}\n` };
    case "commits":
      return Number(q.get("skip")) > 0 ? { items: [commit("a")] } : { items: [commit("b")], more: true };
    case "form":
      return {
        ref: q.get("ref"), commit: hash("b"), description: `Ships ${planted}`,
        variables: [{ name: "TARGET", description: `Where to ${planted}`, value: "staging", options: ["staging", `b<b>`] }],
        inputs: [{ name: "count", type: "number", default: 1, description: `How many ${planted}` }, { name: "who", type: "string", required: true }],
      };
    case "compare":
      return { from: hash("a"), to: hash("b"), base: hash("a"), commits: { items: [commit("b")] }, diff };
  }
  const one = /^commits\/([0-9a-f]{40})$/.exec(rest);
  return one ? { ...commit(one[1][0]), diff } : undefined;
}
