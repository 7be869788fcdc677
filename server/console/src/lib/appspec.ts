// What the form of an application asks for, and the spec that it makes.
import type { Application } from "../types";
import { ApiError } from "./api";

export const followable = ["branch", "tag", "semver", "commit"] as const;
export type Follows = (typeof followable)[number];

export interface AppValues {
  name: string;
  repository: string;
  /** which of the four revision is; it is empty for the repository's default branch */
  follows: Follows;
  revision: string;
  path: string;
  namespace: string;
  createNamespace: boolean;
  sync: string;
  prune: boolean;
  heal: boolean;
  healthDeadline: string;
}

/** fields of the form by where they are in the object. */
const places = new Map<string, keyof AppValues>([
  ["metadata.name", "name"],
  ["spec.source", "repository"],
  ["spec.source.repository", "repository"],
  ["spec.source.path", "path"],
  ...followable.map((f) => [`spec.source.${f}`, "revision"] as const),
  ["spec.namespace", "namespace"],
  ["spec.syncOptions.createNamespace", "createNamespace"],
  ["spec.sync", "sync"],
  ["spec.syncOptions.prune", "prune"],
  ["spec.syncOptions.drift", "heal"],
  ["spec.healthDeadline", "healthDeadline"],
]);

/** valuesOf an application, or those of one that is to be made. */
export function valuesOf(app?: Application): AppValues {
  const spec: Partial<Application["spec"]> = app?.spec ?? {};
  const { source, syncOptions } = spec;
  const follows = followable.find((f) => source?.[f]) ?? "branch";
  return {
    name: app?.metadata.name ?? "",
    repository: source?.repository ?? "",
    follows,
    revision: source?.[follows] ?? "",
    path: source?.path ?? "",
    namespace: spec.namespace ?? "",
    createNamespace: syncOptions?.createNamespace ?? false,
    sync: spec.sync ?? "push",
    prune: syncOptions?.prune ?? true,
    heal: syncOptions?.drift !== "report",
    healthDeadline: short(spec.healthDeadline ?? ""),
  };
}

/** short is a duration without what is nothing: 5m0s is 5m. */
function short(duration: string): string {
  return duration.replace(/^(\d+h)0m0s$/, "$1").replace(/m0s$/, "m");
}

/** changes are what the values say otherwise than those before; null takes a field away. */
export function changes(values: AppValues, before: AppValues): Record<string, unknown> {
  const spec: Record<string, unknown> = {};
  const source: Record<string, unknown> = {};
  const options: Record<string, unknown> = {};
  const text = (into: Record<string, unknown>, key: "repository" | "path" | "namespace" | "sync" | "healthDeadline") => {
    const v = values[key].trim();
    if (v !== before[key]) into[key] = v || null;
  };
  for (const key of ["repository", "path"] as const) text(source, key);
  const revision = values.revision.trim();
  if (values.follows !== before.follows || revision !== before.revision) {
    // One of them is given at a time.
    if (before.revision) source[before.follows] = null;
    if (revision) source[values.follows] = revision;
  }
  for (const key of ["namespace", "sync", "healthDeadline"] as const) text(spec, key);
  for (const key of ["createNamespace", "prune"] as const) if (values[key] !== before[key]) options[key] = values[key];
  if (values.heal !== before.heal) options.drift = values.heal ? "heal" : "report";
  if (Object.keys(source).length) spec.source = source;
  if (Object.keys(options).length) spec.syncOptions = options;
  return spec;
}

/** made is a new application of the values: what is not given is not sent. */
export function made(values: AppValues): { metadata: { name: string }; spec: Record<string, unknown> } {
  const spec = changes(values, { ...valuesOf(), sync: "" });
  return { metadata: { name: values.name.trim() }, spec: { source: {}, ...spec } };
}

/** refusals are what the server says of fields of the form; the rest of it is of none. */
export function refusals(error: unknown): Partial<Record<keyof AppValues, string>> {
  const out: Partial<Record<keyof AppValues, string>> = {};
  if (!(error instanceof ApiError)) return out;
  for (const { field, message } of error.fields) {
    const key = field === "spec.source" && message.includes("source.branch") ? "revision" : places.get(field);
    if (key) out[key] = [out[key], message].filter(Boolean).join("; ");
  }
  return out;
}
