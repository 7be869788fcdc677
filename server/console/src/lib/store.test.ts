import { expect, test, vi } from "vitest";
import type { Run } from "../types";

vi.stubGlobal("window", { setTimeout: () => 1 });
const { apply, put, replace, tableOf } = await import("./store");

const run = (name: string, version: string): Run => ({
  metadata: { name, resourceVersion: version },
  spec: { repository: "r", commit: "c", ref: "refs/heads/main", sequence: 1, cause: "push" },
});

test("an older version never replaces a newer one", () => {
  put("Run", run("a", "10"));
  put("Run", run("a", "9"));
  expect(tableOf("Run").get("a")?.metadata.resourceVersion).toBe("10");
  apply({ kind: "Run", type: "MODIFIED", object: run("a", "11") });
  expect(tableOf("Run").get("a")?.metadata.resourceVersion).toBe("11");
});

test("deletions, and lists that lack something", () => {
  put("Run", run("b", "1"));
  apply({ kind: "Run", type: "DELETED", object: run("b", "2") });
  expect(tableOf("Run").has("b")).toBe(false);
  replace("Run", [run("c", "3")]);
  expect([...tableOf("Run").keys()]).toEqual(["c"]);
});

test("what is no object of ours is left alone", () => {
  apply({ kind: "constructor" as "Run", type: "ADDED", object: run("x", "1") });
  apply({ kind: "Run", type: "ADDED", object: undefined as unknown as Run });
  expect(tableOf("Run").has("x")).toBe(false);
});
