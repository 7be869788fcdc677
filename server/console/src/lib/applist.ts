// Lists of applications are read from the server a page at a time: there may be thousands.
import { useEffect, useState } from "preact/hooks";
import type { Application } from "../types";
import { get, namespace } from "./api";
import { useChanges } from "./store";

export interface AppPage {
  items: Application[] | null;
  metadata?: { continue?: string; remainingItemCount?: number };
  total: number;
  health: Record<string, number>;
  sync: Record<string, number>;
}

export interface AppFilter {
  q?: string;
  health?: string;
  sync?: string;
  repository?: string;
  /** of all namespaces that the user may list */
  all?: boolean;
  failing?: boolean;
}

const keys = ["q", "health", "sync", "repository"] as const;

/** filterOf is the filter that an address has. */
export function filterOf(query: URLSearchParams): AppFilter {
  const f: AppFilter = {};
  for (const k of keys) {
    const v = query.get(k);
    if (v) f[k] = v;
  }
  if (query.has("all")) f.all = true;
  if (query.has("failing")) f.failing = true;
  return f;
}

/** addressOf a filter: every view has one. */
export function addressOf(f: AppFilter): string {
  const query = new URLSearchParams();
  for (const k of keys) if (f[k]) query.set(k, f[k] as string);
  if (f.all) query.set("all", "1");
  if (f.failing) query.set("failing", "1");
  const text = query.toString();
  return text ? `/applications?${text}` : "/applications";
}

/** questionOf a filter is what the server is asked. */
export function questionOf(f: AppFilter, limit: number, after = ""): string {
  const query = new URLSearchParams({ limit: String(limit), brief: "true" });
  for (const k of keys) if (f[k]) query.set(k, f[k] as string);
  if (f.failing) query.set("failing", "true");
  if (after) query.set("continue", after);
  return `${f.all ? "/api/v1/applications" : `/api/v1/namespaces/${namespace}/applications`}?${query}`;
}

/** useApplications reads a page, and again as applications change. */
export function useApplications(f: AppFilter, limit: number, after = ""): { page?: AppPage; error?: unknown } {
  const [page, setPage] = useState<AppPage>();
  const [error, setError] = useState<unknown>();
  const n = useChanges("Application", 1000);
  const question = questionOf(f, limit, after);
  useEffect(() => {
    const abort = new AbortController();
    get<AppPage>(question, abort.signal).then(
      (p) => {
        setPage(p);
        setError(undefined);
      },
      (e: unknown) => {
        if (!abort.signal.aborted) setError(e);
      },
    );
    return () => abort.abort();
  }, [question, n]);
  return { page, error };
}
