import { describe, expect, it } from "vitest";
import { heights, narrowed } from "./logoverview";

describe("narrowed", () => {
  it("requires a value and keeps the query", () => {
    expect(narrowed("", "logsql", "pod", "shop-1")).toBe('pod:="shop-1"');
    expect(narrowed("a or b", "logsql", "level", "error")).toBe('level:="error" (a or b)');
    expect(narrowed("a OR b", "lucene", "level", "error")).toBe('+level:"error" +(a OR b)');
  });
  it("keeps what is hostile in its quotes", () => {
    expect(narrowed("", "logsql", "labels.app.kubernetes.io/name", '" or namespace:="x')).toBe('"labels.app.kubernetes.io/name":="\\" or namespace:=\\"x"');
    expect(narrowed("", "lucene", "a b:c", '" OR x:"\\')).toBe('+a\\ b\\:c:"\\" OR x:\\"\\\\"');
  });
});

describe("heights", () => {
  it("shows every bucket that has a line", () => {
    expect(heights([0, 1, 1000])).toEqual([0, 4, 100]);
    expect(heights([])).toEqual([]);
  });
});
