// What the server has, kept current by server-sent events. Pages read from here
// and are drawn again when it changes, at most every 60 ms.
import { useEffect, useState } from "preact/hooks";
import type { Kind, Kinds } from "../types";
import { ApiError, get, namespace, path, setNamespace } from "./api";

type Table<K extends Kind> = Map<string, Kinds[K]>;

const tables: { [K in Kind]: Table<K> } = { Repository: new Map(), Run: new Map(), Application: new Map(), Release: new Map(), Schedule: new Map(), Environment: new Map(), Promotion: new Map(), ApplicationSet: new Map() };
const watchers = new Set<() => void>();
const loaded = new Set<Kind>();
const refused = new Map<Kind, unknown>();
const counts = new Map<Kind, number>();
let source: EventSource | undefined;
let live = false;
let opened = 0;
let timer = 0;

function changed(): void {
  if (timer) return;
  timer = window.setTimeout(() => {
    timer = 0;
    for (const w of watchers) w();
  }, 60);
}

function version(o: { metadata: { resourceVersion?: string } } | undefined): number {
  return Number(o?.metadata.resourceVersion ?? 0);
}

/** tableOf shows what is held of one kind. */
export function tableOf<K extends Kind>(kind: K): ReadonlyMap<string, Kinds[K]> {
  return tables[kind] as Table<K>;
}

/** put keeps the newer of two versions of an object. */
export function put<K extends Kind>(kind: K, object: Kinds[K]): void {
  const table = tables[kind] as Table<K>;
  if (version(object) < version(table.get(object.metadata.name))) return;
  table.set(object.metadata.name, object);
  changed();
}

/** replace takes a whole list: what is not on it is gone. */
export function replace<K extends Kind>(kind: K, items: Kinds[K][], mine: (o: Kinds[K]) => boolean = () => true): void {
  const table = tables[kind] as Table<K>;
  const names = new Set(items.map((o) => o.metadata.name));
  for (const [name, o] of table) if (mine(o) && !names.has(name)) table.delete(name);
  for (const o of items) put(kind, o);
  loaded.add(kind);
  refused.delete(kind);
  changed();
}

interface Change {
  kind: Kind;
  type: "ADDED" | "MODIFIED" | "DELETED";
  object: Kinds[Kind];
}

export function apply(c: Change): void {
  if (!Object.hasOwn(tables, c.kind) || !c.object?.metadata?.name) return;
  counts.set(c.kind, (counts.get(c.kind) ?? 0) + 1);
  if (c.type === "DELETED") {
    tables[c.kind].delete(c.object.metadata.name);
    changed();
  } else {
    put(c.kind, c.object as never);
  }
}

interface List<K extends Kind> {
  metadata?: { continue?: string };
  items: Kinds[K][] | null;
}

/** pageOfRuns is how many runs are read at one time; there may be any number, archived ones too. */
const pageOfRuns = 300;
let further: string | undefined;

/** moreRuns says whether there are runs older than those that are held. */
export function moreRuns(): boolean {
  return Boolean(further);
}

/** olderRuns reads the next page of them. */
export async function olderRuns(): Promise<void> {
  if (!further) return;
  const list = await get<List<"Run">>(`${path("Run")}?limit=${pageOfRuns}&continue=${encodeURIComponent(further)}`);
  further = list.metadata?.continue;
  for (const run of list.items ?? []) put("Run", run);
  changed();
}

async function loadAll(): Promise<void> {
  await Promise.all(
    // Applications are read page by page, where they are shown.
    (["Repository", "Run", "Schedule", "Environment", "Promotion", "ApplicationSet"] as const).map(async (kind) => {
      try {
        const list = await get<List<typeof kind>>(kind === "Run" ? `${path(kind)}?limit=${pageOfRuns}` : path(kind));
        if (kind === "Run") further = list.metadata?.continue;
        replace(kind, (list.items ?? []) as never);
      } catch (e) {
        // What may not be listed by this user, or could not be, is not empty for that.
        loaded.add(kind);
        refused.set(kind, e);
        changed();
      }
    }),
  );
}

/**
 * connect starts the live view; it reconnects by itself. All is read once the stream of
 * changes is open, so that none is missed in between, and again each time it opens.
 */
export function connect(): void {
  if (source) return;
  source = new EventSource(`/api/v1/namespaces/${namespace}/watch?initial=false`);
  // A proxy that holds the stream back keeps nobody from seeing what there is.
  window.setTimeout(() => {
    if (source && !loaded.size) void loadAll();
  }, 2000);
  source.onopen = () => {
    live = true;
    opened++;
    counts.set("Application", (counts.get("Application") ?? 0) + 1);
    void loadAll();
    changed();
  };
  source.onerror = () => {
    live = false;
    if (!loaded.size) void loadAll(); // there is something to see without live changes
    changed();
    // A refused request ends an EventSource for good: begin again in a while.
    if (source?.readyState === EventSource.CLOSED) {
      source = undefined;
      // It does not say why it was refused. This does, to whom it may concern.
      get("/api/v1/whoami").then(
        () => window.setTimeout(connect, 5000),
        (e: unknown) => (e instanceof ApiError && e.status === 401) || window.setTimeout(connect, 5000),
      );
    }
  };
  source.onmessage = (e: MessageEvent<string>) => apply(JSON.parse(e.data) as Change);
}

export function disconnect(): void {
  source?.close();
  source = undefined;
  live = false;
  further = undefined;
  loaded.clear();
  refused.clear();
  for (const t of Object.values(tables)) t.clear();
}

/** enter shows another tenant's namespace. */
export function enter(name: string): void {
  if (name === namespace) return;
  disconnect();
  setNamespace(name);
  connect();
  changed();
}

/** useStore draws the component again whenever something changed. */
export function useStore() {
  const [, draw] = useState(0);
  useEffect(() => {
    const w = () => draw((n) => n + 1);
    watchers.add(w);
    return () => void watchers.delete(w);
  }, []);
  return {
    live,
    /** how often the stream of changes has begun: what is read once is read again then */
    opened,
    loaded: (kind: Kind) => loaded.has(kind),
    /** why a kind could not be read */
    refused: (kind: Kind) => refused.get(kind),
    all: <K extends Kind>(kind: K): Kinds[K][] => [...(tables[kind] as Table<K>).values()],
    one: <K extends Kind>(kind: K, name: string): Kinds[K] | undefined => (tables[kind] as Table<K>).get(name),
  };
}

/** useChanges is a number that grows as objects of a kind change, at most every `ms`. */
export function useChanges(kind: Kind, ms: number): number {
  const [n, set] = useState(counts.get(kind) ?? 0);
  useEffect(() => {
    let timer = 0;
    const w = () => {
      if (timer) return;
      timer = window.setTimeout(() => {
        timer = 0;
        set(counts.get(kind) ?? 0);
      }, ms);
    };
    watchers.add(w);
    return () => {
      window.clearTimeout(timer);
      watchers.delete(w);
    };
  }, [kind, ms]);
  return n;
}
