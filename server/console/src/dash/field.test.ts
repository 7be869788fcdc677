import { beforeAll, expect, test } from "vitest";
import { color, faded, onScale } from "./colors";
import { fieldOf } from "./field";
import { read } from "./model";
import { ready } from "./pattern";

beforeAll(ready);

const named = { name: "web-1", refId: "B", number: true };
const panel = (fieldConfig: object) => read({ panels: [{ type: "stat", fieldConfig }] }).sections[0].panels[0];

test("the last override that matches wins, for what it sets", () => {
  const over = (id: string, options: unknown, unit: string) => ({ matcher: { id, options }, properties: [{ id: "unit", value: unit }] });
  const p = panel({ defaults: { unit: "s", min: 3, custom: { fillOpacity: 7 } }, overrides: [over("byName", "web-1", "bytes"), over("byRegexp", "/^WEB/i", "ms"), over("byName", "other", "Bps"), over("byNoSuch", "x", "Bps")] });
  const f = fieldOf(p, named);
  expect([f.unit, f.min, f.custom("fillOpacity").num()]).toEqual(["ms", 3, 7]);
  expect(fieldOf(panel({ overrides: [over("byFrameRefID", "B", "bytes")] }), named).unit).toBe("bytes");
});

test("thresholds, in figures and in shares", () => {
  const steps = [{ value: null, color: "#00ff00" }, { value: 50, color: "#ffff00" }, { value: 80, color: "#ff0000" }];
  const f = fieldOf(panel({ defaults: { thresholds: { mode: "absolute", steps } } }), named);
  expect([-1, 49, 50, 80, 1e9].map((v) => f.color(v))).toEqual(["#00ff00", "#00ff00", "#ffff00", "#ff0000", "#ff0000"]);
  const share = fieldOf(panel({ defaults: { min: 0, max: 10, thresholds: { mode: "percentage", steps } } }), named);
  expect([4, 5, 9].map((v) => share.color(v, 0, 10))).toEqual(["#00ff00", "#ffff00", "#ff0000"]);
});

test("mappings of values, ranges, patterns and what is missing", () => {
  const mappings = [
    { type: "value", options: { "1": { text: "up", color: "#123456" } } },
    { type: "range", options: { from: 5, to: null, result: { text: "much" } } },
    { type: "regex", options: { pattern: "^web-(\\d+)$", result: { text: "a web" } } },
    { type: "regex", options: { pattern: "(a+)+$", result: { text: "evil" } } },
    { type: "special", options: { match: "null+nan", result: { text: "nothing" } } },
  ];
  const f = fieldOf(panel({ defaults: { mappings, unit: "bytes" } }), named);
  const begun = Date.now();
  expect([1, 7, 2, "web-7", "text", null, Number.NaN, `${"a".repeat(5000)}!`].map((v) => f.text(v))).toEqual(["up", "much", "2 B", "a web", "text", "nothing", "nothing", `${"a".repeat(5000)}!`]);
  expect(Date.now() - begun).toBeLessThan(2000); // a pattern that is exponential elsewhere
  expect(f.color(1)).toBe("#123456");
});

test("a colour is a colour", () => {
  for (const bad of ["url(https://evil.example)", "red;background:url(x)", "expression(1)", "constructor", "__proto__", "rgb(url(x))", ""]) expect(color(bad), bad).toBeUndefined();
  for (const good of ["red", "semi-dark-blue", "#abc", "#aabbccdd", "rgba(1, 2, 3, 0.5)", "transparent"]) expect(color(good), good).toBeTruthy();
  expect(faded("#000000", 0.5)).toBe("#00000080");
  expect(onScale("continuous-GrYlRd", 1)).toBe("#c4162a");
});
