import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { read } from "./model";
import { axisSteps, format } from "./units";

test.each([
  [0, "short", "0"],
  [1234, "short", "1.23 K"],
  [12_000_000, "short", "12 Mil"],
  [0.12345, "short", "0.123"],
  [1536, "bytes", "1.5 KiB"],
  [-1536, "bytes", "-1.5 KiB"],
  [1500, "Bps", "1.5 kB/s"],
  [0.5, "mbytes", "512 KiB"],
  [0.853, "percentunit", "85.3%"],
  [85.34, "percent", "85.3%"],
  [0, "s", "0 s"],
  [0.00234, "s", "2.34 ms"],
  [90, "s", "1.5 min"],
  [7200, "s", "2 hours"],
  [3600, "s", "1 hour"],
  [1500, "ms", "1.5 s"],
  [12_345, "reqps", "12.3K req/s"],
  [3, "ops", "3 ops/s"],
  [3723, "dthms", "01:02:03"],
  [2, "suffix: pods", "2 pods"],
  [2, "si:Wh", "2 Wh"],
  [1, "bool_yes_no", "Yes"],
  [4, "furlongs", "4 furlongs"],
  [Number.NaN, "s", "NaN"],
  [Infinity, "s", "∞"],
] as const)("%d %s", (v, unit, want) => {
  expect(format(v, unit)).toBe(want);
});

test("decimals are what is asked for", () => {
  expect(format(1.005, "none", 3)).toBe("1.005");
  expect(format(1, "percentunit", 1)).toBe("100.0%");
});

test("the units of what ships are known", () => {
  const shipped = JSON.parse(readFileSync(new URL("../../e2e/boards.json", import.meta.url), "utf8")) as Record<string, unknown>;
  for (const [name, json] of Object.entries(shipped)) {
    for (const p of read(json).sections.flatMap((s) => s.panels)) {
      const unit = p.defaults.get("unit").str();
      if (unit && unit !== "short") expect(format(12_345.678, unit), `${name}: ${p.title}: ${unit}`).not.toBe(`${format(12_345.678)} ${unit}`);
    }
  }
});

test("steps of an axis are round in its unit", () => {
  expect(axisSteps("bytes")).toContain(4 * 1024 * 1024);
  expect(axisSteps("ms")).toContain(60_000);
  expect(axisSteps("s")).toContain(0.005);
  expect(axisSteps("short")).toBeUndefined();
  for (const unit of ["bytes", "s", "ms", "ns"]) expect(axisSteps(unit), unit).toEqual([...(axisSteps(unit) ?? [])].sort((a, b) => a - b));
});
