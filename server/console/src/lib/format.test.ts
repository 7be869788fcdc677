import { expect, test } from "vitest";
import { ago, bytes, duration, followed, refName, short, span, valueOf } from "./format";

test("durations", () => {
  expect([850, 1200, 59_000, 185_000, 7_260_000, 360_000_000, -5, NaN].map(duration)).toEqual(["850ms", "1.2s", "59s", "3m 5s", "2h 1m", "4d 4h", "0ms", "0ms"]);
  expect(span("2026-01-01T00:00:00Z", "2026-01-01T00:01:00.5Z")).toBe("1m 0s");
  expect(span(undefined, undefined)).toBe("");
});

test("what is followed and desired", () => {
  const commit = "0123456789abcdef";
  expect(valueOf({ commit, revision: "refs/tags/v1.2.0" })).toBe("v1.2.0 (01234567)");
  expect(valueOf({ commit, revision: "refs/heads/main" })).toBe("01234567");
  expect(valueOf({ commit: "", inputs: { version: "1.4.0" } })).toBe("1.4.0");
  expect(valueOf(undefined)).toBe("");
  expect([{}, { branch: "dev" }, { tag: "v1" }, { semver: "1.x" }, { commit }].map(followed)).toEqual(["", "dev", "v1", "1.x", "01234567"]);
});

test("names and sizes", () => {
  expect(refName("refs/heads/feature/x")).toBe("feature/x");
  expect(short("0123456789abcdef")).toBe("01234567");
  expect([0, 1023, 1536, 5 << 20].map(bytes)).toEqual(["0 B", "1023 B", "1.5 KiB", "5.0 MiB"]);
  expect(ago("2026-01-01T00:00:00Z", Date.parse("2026-01-01T02:00:00Z"))).toContain("2");
});
