// Asking for panels: whose source is known, a few at a time, and what was asked is taken
// back when nobody looks any more.
import { type Data, together } from "./data";
import { replace, type Scope } from "./interpolate";
import { lines } from "./lines";
import type { Panel, Source } from "./model";
import { type Ask, metrics } from "./prom";

/** the two sources that there are, by the names they have in Grafana. */
export const sources = new Map([
  ["prometheus", { uid: "slipway-prometheus", name: "Slipway metrics" }],
  ["elasticsearch", { uid: "slipway-logs", name: "Slipway logs" }],
]);

const atOnce = 6;
let running = 0;
const waiting: (() => void)[] = [];

/** turn waits until there are few enough that run. */
async function turn<T>(signal: AbortSignal, run: () => Promise<T>): Promise<T> {
  if (running >= atOnce) await new Promise<void>((ok) => waiting.push(ok));
  else running++;
  try {
    signal.throwIfAborted();
    return await run();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else running--;
  }
}

/** kindOf a source: what its type says, or the variable or the name that it is chosen by. */
export function kindOf(source: Source | undefined, scope: Scope): string {
  if (!source) return "prometheus";
  const uid = replace(source.uid, scope, "text");
  for (const [kind, s] of sources) if (uid === s.uid || uid === s.name) return kind;
  if (source.type && source.type !== "datasource") return source.type;
  return uid === "" || uid === "default" || uid.startsWith("$") ? "prometheus" : uid;
}

export class NoSource extends Error {
  constructor(readonly kind: string) {
    super(kind);
  }
}

/** askPanel runs the queries of a panel. */
export async function askPanel(panel: Panel, ask: Ask): Promise<Data> {
  const shown = panel.targets.filter((t) => !t.hide);
  const own = panel.source && kindOf(panel.source, ask.scope);
  const mixed = own === "-- Mixed --" || own === "mixed";
  return together(
    await Promise.all(
      shown.map((t) => {
        const kind = kindOf(t.source ?? (mixed ? undefined : panel.source), ask.scope);
        if (kind === "prometheus") return turn(ask.signal, () => metrics(t, shown.length > 1, ask));
        if (kind === "elasticsearch") return turn(ask.signal, () => lines(t, ask));
        throw new NoSource(kind);
      }),
    ),
  );
}
