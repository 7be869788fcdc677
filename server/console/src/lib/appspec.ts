// What the form of an application asks for, and the spec that it makes.
import type { Application } from "../types";
import { ApiError } from "./api";

export interface AppValues {
  name: string;
  repository: string;
  branch: string;
  path: string;
  namespace: string;
  createNamespace: boolean;
  sync: string;
  prune: boolean;
  heal: boolean;
  healthDeadline: string;
}

/** fields of the form by where they are in the object. */
export const places: Record<keyof AppValues, string> = {
  name: "metadata.name",
  repository: "spec.source.repository",
  branch: "spec.source.branch",
  path: "spec.source.path",
  namespace: "spec.namespace",
  createNamespace: "spec.syncOptions.createNamespace",
  sync: "spec.sync",
  prune: "spec.syncOptions.prune",
  heal: "spec.syncOptions.drift",
  healthDeadline: "spec.healthDeadline",
};

/** valuesOf an application, or those of one that is to be made. */
export function valuesOf(app?: Application): AppValues {
  const spec: Partial<Application["spec"]> = app?.spec ?? {};
  const { source, syncOptions } = spec;
  return {
    name: app?.metadata.name ?? "",
    repository: source?.repository ?? "",
    branch: source?.branch ?? "",
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
  const text = (into: Record<string, unknown>, key: "repository" | "branch" | "path" | "namespace" | "sync" | "healthDeadline") => {
    const v = values[key].trim();
    if (v !== before[key]) into[key] = v || null;
  };
  for (const key of ["repository", "branch", "path"] as const) text(source, key);
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
    const key = (Object.keys(places) as (keyof AppValues)[]).find((k) => places[k] === field) ?? (field === "spec.source" ? "repository" : undefined);
    if (key) out[key] = [out[key], message].filter(Boolean).join("; ");
  }
  return out;
}
