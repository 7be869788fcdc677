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
