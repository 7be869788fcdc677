// Applications of the fixture: some thousand, listed as the server lists them.
type Item = { metadata: { name: string; namespace?: string; resourceVersion: string }; spec: Record<string, unknown>; status: Record<string, unknown> };

/** many applications; every hundredth is degraded, and the one after it failed to sync. */
export function many(n: number, planted: string): Item[] {
  return Array.from({ length: n }, (_, i) => ({
    metadata: { name: `app-${String(i).padStart(5, "0")}`, namespace: "default", resourceVersion: "1" },
    spec: { source: { repository: `repo-${i % 10}` }, sync: "push", desired: { commit: String(i).padStart(40, "0"), sequence: 1 } },
    status: {
      current: 1, healthy: 1, last: 1, health: i % 100 === 0 ? "Degraded" : "Healthy", sync: i % 100 === 1 ? "Failed" : "Synced",
      message: i % 100 === 0 ? `Deployment/web: exploded ${planted}` : "",
    },
  }));
}

/** page answers a list as GET …/applications does. */
export function page(all: Item[], q: URLSearchParams) {
  const word = (q.get("q") ?? "").toLowerCase();
  const found = all
    .filter((a) => !q.has("promotedFrom") || (a.spec.promotion as { from: string } | undefined)?.from === q.get("promotedFrom"))
    .filter((a) => !q.has("repository") || (a.spec.source as { repository: string }).repository === q.get("repository"))
    .filter((a) => `${a.metadata.name} ${a.status.message ?? ""}`.toLowerCase().includes(word));
  const health = (a: Item) => !q.has("health") || a.status.health === q.get("health");
  const sync = (a: Item) => (!q.has("sync") || a.status.sync === q.get("sync")) && (!q.has("failing") || a.status.health === "Degraded" || a.status.sync === "Failed");
  const count = (key: string, of: Item[]) => of.reduce<Record<string, number>>((c, a) => ({ ...c, [String(a.status[key])]: (c[String(a.status[key])] ?? 0) + 1 }), {});
  const mine = found.filter((a) => health(a) && sync(a)).sort((a, b) => a.metadata.name.localeCompare(b.metadata.name));
  const after = q.get("continue") ?? "";
  const rest = mine.filter((a) => a.metadata.name > after);
  const limit = Number(q.get("limit") ?? rest.length);
  const items = rest.slice(0, limit);
  return {
    items, total: mine.length, health: count("health", found.filter(sync)), sync: count("sync", found.filter(health)),
    metadata: rest.length > limit ? { continue: items.at(-1)?.metadata.name, remainingItemCount: rest.length - limit } : {},
  };
}

type Node = { id: string; parent?: string; group?: string; version: string; kind: string; namespace: string; name: string; health: string; message?: string; info?: string; created?: string; containers?: string[]; drifted?: boolean; hook?: boolean };

/** tree of application hello, in which a pod comes to be ready some time. */
export function tree(ready: boolean, planted: string): Node[] {
  const node = (id: string, parent: string | undefined, kind: string, name: string, more: Partial<Node> = {}): Node => ({ id, parent, version: "v1", kind, namespace: "default", name, health: "Current", created: "2026-01-01T00:00:00Z", ...more });
  return [
    node("d", undefined, "Deployment", "hello", { group: "apps", info: `${ready ? 1 : 0}/1 ready`, health: ready ? "Current" : "InProgress", drifted: true }),
    node("r", "d", "ReplicaSet", "hello-5d", { group: "apps", info: `${ready ? 1 : 0}/1 ready` }),
    node("p", "r", "Pod", "hello-5d-abc", { containers: ["hello", "sidecar"], info: ready ? "2/2 ready" : "0/2 ready, 3 restarts", health: ready ? "Current" : "Failed", message: ready ? "" : `back-off ${planted}` }),
    node("s", undefined, "Service", "hello"),
    node("e", "s", "EndpointSlice", "hello-xyz", { group: "discovery.k8s.io", info: "1 endpoints" }),
    node("k", undefined, "Secret", "keys"),
    node("j", undefined, "Job", "migrate", { group: "batch", hook: true }),
    ...Array.from({ length: 300 }, (_, i) => node(`c${i}`, undefined, "ConfigMap", `settings-${i}`)),
  ];
}

/** object of it, as the server shows it: Secrets are masked there. */
export function object(q: URLSearchParams, planted: string) {
  const [kind, name] = [q.get("kind") ?? "", q.get("name") ?? ""];
  const node = tree(true, planted).find((n) => n.kind === kind && n.name === name);
  if (!node) return undefined;
  const own = !node.parent && !node.hook;
  return {
    ...node, live: `kind: ${kind}\nmetadata:\n  name: ${name}\n${kind === "Secret" ? "data:\n  token: '*****'\n" : `# ${planted}\n`}`,
    ...(own ? { desired: `kind: ${kind}\n`, change: { action: "configured", diff: "--- live\n+++ desired\n-  replicas: 2\n+  replicas: 1\n", fields: ["/spec/replicas"], managers: ["kubectl-edit"] } } : {}),
    events: [{ type: "Warning", reason: "Unhealthy", message: `probe failed ${planted}`, count: 4, last: "2026-01-01T00:00:00Z" }],
  };
}

/** promotions that wait, and a set of previews. */
export function around(commit: string, planted: string) {
  return {
    promotions: [{ metadata: { name: "production-p1", namespace: "default", resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" }, spec: { from: "hello", to: "production", release: 2, by: "ann" }, status: { phase: "Pending", required: 1, desired: { commit, sequence: 1 }, message: `waits for 1 approval ${planted}` } }],
    applicationsets: [{
      metadata: { name: "previews", namespace: "default", resourceVersion: "1" }, spec: { repository: "hello" },
      status: { count: 2, applications: [{ name: "hello-mr-7", number: 7, branch: `topic ${planted}`, phase: "Running", health: "Healthy", sync: "Synced", commit, addresses: ["http://127.0.0.1:30081"] }, { name: "hello-mr-8", number: 8, branch: "fork", phase: "Pending", commit, message: "waits for an approval" }] },
    }],
  };
}
