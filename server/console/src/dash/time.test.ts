import { expect, test } from "vitest";
import { at, duration, interval, rangeOf, rateInterval, written } from "./time";

const now = new Date(2026, 4, 6, 13, 45, 30, 500).getTime(); // a Wednesday

test.each([
  ["now", 0, now],
  ["now-3h", 0, now - 3 * 3_600_000],
  ["now-1h+30m", 0, now - 1_800_000],
  ["now/d", 0, new Date(2026, 4, 6).getTime()],
  ["now/d", 1, new Date(2026, 4, 7).getTime() - 1],
  ["now-1d/d", 0, new Date(2026, 4, 5).getTime()],
  ["now/w", 0, new Date(2026, 4, 4).getTime()],
  ["now-1M/M", 0, new Date(2026, 3, 1).getTime()],
  ["1700000000000", 0, 1_700_000_000_000],
  ["2026-01-02T03:04:05Z", 0, Date.UTC(2026, 0, 2, 3, 4, 5)],
  ["now-", 0, undefined],
  ["javascript:1", 0, undefined],
  ["now-9999999h", 0, undefined],
] as const)("%s is a time", (text, end, want) => {
  expect(at(text, now, Boolean(end))).toBe(want);
});

test("what is no range is the last hour", () => {
  expect(rangeOf("now", "now-1h", now)).toEqual({ from: now - 3_600_000, to: now });
  expect(rangeOf("x", "y", now)).toEqual({ from: now - 3_600_000, to: now });
  expect(rangeOf("now-5m", "now", now)).toEqual({ from: now - 300_000, to: now });
});

test("durations and intervals are Grafana's", () => {
  expect(["30s", "1m30s", ">10s", "1.5h", "", "x", "10"].map(duration)).toEqual([30_000, 90_000, 10_000, 5_400_000, 0, 0, 0]);
  expect(interval({ from: 0, to: 3 * 3_600_000 }, 600, 15_000)).toBe(20_000);
  expect(interval({ from: 0, to: 3_600_000 }, 600, 30_000)).toBe(30_000);
  expect(interval({ from: 0, to: 365 * 86_400_000 }, 100_000, 1000)).toBe(2_867_000); // 11,000 points at most
  expect(rateInterval(15_000, 30_000)).toBe(120_000);
  expect(rateInterval(300_000, 30_000)).toBe(330_000);
  expect([15_000, 60_000, 90_000, 7_200_000, 86_400_000, 250].map(written)).toEqual(["15s", "1m", "90s", "2h", "1d", "250ms"]);
});
