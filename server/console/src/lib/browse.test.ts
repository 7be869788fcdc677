import { expect, test } from "vitest";
import { address, crumbs, patchLines, source, viewOf, type View } from "./browse";

const q = (s: string) => viewOf(new URLSearchParams(s));

test("every view has an address that leads back to it", () => {
  const views: View[] = [
    { kind: "tree", ref: "feature/x y", path: "a/b c", skip: 0 },
    { kind: "file", ref: "", path: "名/<script>.ts", skip: 0 },
    { kind: "log", ref: "v1.2", path: "", skip: 100 },
    { kind: "commit", commit: "ab".repeat(20) },
    { kind: "compare", from: "main", to: "feature/x" },
  ];
  for (const v of views) {
    const a = address("hello", v);
    expect(a.startsWith("/repositories/hello?")).toBe(true);
    expect(q(a.split("?")[1])).toEqual(v);
  }
});

test("addresses that people wrote", () => {
  expect(q("job=x")).toBeUndefined();
  expect(q("tree=/a/b/&skip=-3")).toEqual({ kind: "tree", ref: "", path: "a/b", skip: 0 });
  expect(q("log=&skip=x")).toEqual({ kind: "log", ref: "", path: "", skip: 0 });
  expect(q("compare=main")).toEqual({ kind: "compare", from: "", to: "main" });
});

test("requests", () => {
  expect(source("hello", { kind: "file", ref: "a&b", path: "x?y#z", skip: 0 })).toBe("/api/v1/namespaces/default/repositories/hello/file?ref=a%26b&path=x%3Fy%23z");
  expect(source("hello", { kind: "commit", commit: "../x" })).toBe("/api/v1/namespaces/default/repositories/hello/commits/..%2Fx");
});

test("crumbs", () => {
  expect(crumbs("a/b").map((c) => c.path)).toEqual(["", "a", "a/b"]);
  expect(crumbs("")).toEqual([{ name: "/", path: "" }]);
});

test("patches are numbered on both sides", () => {
  const lines = patchLines("@@ -1,2 +1,3 @@ head\n a\n-b\n+c\n+@@ -9 +9 @@\n\\ No newline at end of file\n@@ -10 +11 @@\n-x\n+y\n");
  expect(lines.map((l) => [l.kind, l.old, l.new])).toEqual([
    ["hunk", undefined, undefined],
    ["same", 1, 1],
    ["removed", 2, undefined],
    ["added", undefined, 2],
    ["added", undefined, 3],
    ["note", undefined, undefined],
    ["hunk", undefined, undefined],
    ["removed", 10, undefined],
    ["added", undefined, 11],
  ]);
  expect(lines[4].text).toBe("@@ -9 +9 @@");
  expect(patchLines("")).toEqual([]);
});
