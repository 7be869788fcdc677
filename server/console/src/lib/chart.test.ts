import { expect, test } from "vitest";
import type { Application } from "../types";
import { pods, query } from "./chart";

const app = (inventory: { kind: string; name: string; namespace?: string }[]): Application => ({
  metadata: { name: "shop", namespace: "default" },
  spec: { source: { repository: "shop" } },
  status: { inventory: inventory.map((o) => ({ version: "v1", ...o })) },
});

test("the pods of an application are those of its workloads", () => {
  expect(pods(app([{ kind: "Service", name: "web" }]))).toBeNull();
  expect(query(app([]), "cpu")).toBeNull();
  const p = pods(app([{ kind: "Deployment", name: "web", namespace: "shop" }, { kind: "StatefulSet", name: "db" }]));
  expect(p).toEqual({ namespace: "shop", pattern: "(web|db)(-.+)?" });
});

test("a name cannot leave the query's string", () => {
  const of = (name: string) => query(app([{ kind: "Deployment", name }]), "memory") ?? "";
  const quotes = (text: string) => text.match(/(?<!\\)"/g)?.length;
  const q = of('x"} or vector(1) #');
  expect(quotes(q)).toBe(quotes(of("web")));
  expect(q).toContain('pod=~"(x...or.vector.1...)(-.+)?"');
});
