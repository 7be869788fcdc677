import { describe, expect, it } from "vitest";
import { around, linesOf, ofJob, whenOf } from "./loglink";
import { bounds } from "./logrows";

describe("linesOf", () => {
  it("asks for all that is given, as text, and for its time", () => {
    const url = new URL(linesOf({ run: 'a"b', job: "unit" }, "2026-01-02T03:04:05Z", "2026-01-02T03:05:05Z"), "http://x");
    expect(url.searchParams.get("query")).toBe('run:="a\\"b" job:="unit"');
    expect(bounds(whenOf(url.searchParams)!)).toEqual({ start: "2026-01-02T03:04:05Z", end: "2026-01-02T03:05:05Z" });
  });
  it("is of the last month without a start", () => {
    const start = new URL(linesOf({ pod: "p" }), "http://x").searchParams.get("start")!;
    expect(Date.now() - Date.parse(start)).toBeGreaterThan(29 * 24 * 3600_000);
  });
});

describe("ofJob", () => {
  it("names the job only where its label is its name", () => {
    expect(ofJob("r-1", "unit")).toEqual({ run: "r-1", job: "unit" });
    expect(ofJob("r-1", "Unit tests: all")).toEqual({ run: "r-1" });
  });
});

describe("whenOf", () => {
  it("takes times only", () => {
    expect(whenOf(new URLSearchParams("start=yesterday"))).toBeUndefined();
    expect(whenOf(new URLSearchParams("start=2026-01-02T03:04:05Z&end=x"))).toBeUndefined();
    expect(whenOf(new URLSearchParams(""))).toBeUndefined();
  });
});

describe("around", () => {
  it("moves a time, and leaves none none", () => {
    expect(around("2026-01-02T03:04:05Z", -5)).toBe("2026-01-02T03:04:00.000Z");
    expect(around(undefined, 1)).toBeUndefined();
  });
});
