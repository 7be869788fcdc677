// Every request of the page goes through here: one shape of errors, and one place
// that notices that the session has ended.
import { t } from "../i18n";

const kept = "slipway.namespace";

/** given is the namespace that a link from elsewhere names, as those in notifications of alerts do. */
export function given(search: string): string | undefined {
  const name = new URLSearchParams(search).get("namespace") ?? "";
  return /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name) ? name : undefined;
}

/** namespace is the tenant's whose objects are shown. */
export let namespace = (typeof localStorage === "undefined" ? null : (given(location.search) ?? localStorage.getItem(kept))) ?? "default";

/** setNamespace goes on with another tenant's; what was read of this one is the caller's to forget. */
export function setNamespace(name: string): void {
  namespace = name;
  localStorage.setItem(kept, name);
}

/** FieldError is what is wrong with a field of what was sent, such as spec.sync. */
export interface FieldError {
  field: string;
  message: string;
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly hint?: string,
    readonly fields: FieldError[] = [],
  ) {
    super(message);
  }
}

let onEnd: () => void = () => {};

/** whenSessionEnds is called as soon as a request is answered with 401. */
export function whenSessionEnds(f: () => void): void {
  onEnd = f;
}

/** Unreachable is a request that nobody answered. */
export class Unreachable extends Error {
  constructor(cause: unknown) {
    super(t("noAnswer"), { cause });
  }
}

/** pauses before what only reads is asked again. */
const pauses = [100, 400, 1200];

/**
 * reached is the answer to a request, whatever it says. A browser drops the requests that
 * wait for a connection when an interface comes or goes: on a laptop that changes its
 * network, and on a node with each of its pods. What only reads is then asked again.
 */
export async function reached(ask: () => Promise<Response>, reads: boolean, signal?: AbortSignal | null): Promise<Response> {
  for (let n = 0; ; n++) {
    try {
      return await ask();
    } catch (e) {
      // fetch says with a TypeError that there was no answer; all else is ours to hear.
      if (!(e instanceof TypeError)) throw e;
      if (!reads || n === pauses.length) throw new Unreachable(e);
    }
    await new Promise((ok) => setTimeout(ok, pauses[n]));
    signal?.throwIfAborted();
  }
}

/** raw asks; reads says of a POST that it changes nothing, as a search. */
export async function raw(path: string, init?: RequestInit, reads = !init?.method): Promise<Response> {
  const res = await reached(() => fetch(path, { credentials: "same-origin", cache: "no-store", ...init }), reads, init?.signal);
  if (res.ok) return res;
  let message = `${res.status} ${res.statusText}`;
  let hint: string | undefined;
  let fields: FieldError[] | undefined;
  try {
    // Our own shape, Prometheus' and Elasticsearch's.
    const { error } = (await res.json()) as { error?: string | { message?: string; hint?: string; reason?: string; fields?: FieldError[] } };
    if (typeof error === "string") message = error;
    else {
      message = error?.message ?? error?.reason ?? message;
      hint = error?.hint;
      fields = error?.fields;
    }
  } catch {
    // Not our own answer, a proxy's: the status line is all there is.
  }
  if (res.status === 401) onEnd();
  throw new ApiError(res.status, message, hint, fields);
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await (await raw(path, { signal })).json()) as T;
}

export function post<T = void>(path: string, body?: unknown): Promise<T> {
  return send("POST", path, body);
}

/** change merges what is sent into what is there; null takes a field away. */
export function change<T = void>(path: string, body: unknown): Promise<T> {
  return send("PATCH", path, body);
}

async function send<T>(method: "POST" | "PATCH", path: string, body: unknown): Promise<T> {
  const res = await raw(path, {
    method,
    headers: { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await res.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

export async function remove(path: string): Promise<void> {
  await raw(path, { method: "DELETE" });
}

const resources = { Repository: "repositories", Run: "runs", Application: "applications", Schedule: "schedules", Environment: "environments", Promotion: "promotions", ApplicationSet: "applicationsets" } as const;

/** path of a kind, an object of it, or something below that object. */
export function path(kind: keyof typeof resources, ...rest: string[]): string {
  return [`/api/v1/namespaces/${namespace}/${resources[kind]}`, ...rest.map(encodeURIComponent)].join("/");
}

/** lines reads a streamed answer line by line until it ends or is aborted. */
export async function lines(url: string, signal: AbortSignal, each: (line: string) => void): Promise<void> {
  const res = await raw(url, { signal });
  if (!res.body) return;
  const reader = res.body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
    const parts = rest.split("\n");
    rest = parts.pop() ?? "";
    for (const p of parts) each(p);
    if (done) break;
  }
  if (rest) each(rest);
}
