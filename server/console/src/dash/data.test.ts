import { expect, test } from "vitest";
import { calc, type Series, singles } from "./data";
import { place, sections } from "./layout";
import { read } from "./model";
import { merged, tableOf } from "./panels/table";
import { align, stack } from "./panels/timeseries";
import { arc, spark } from "./panels/values";
import { legend, metricName } from "./prom";
import { transform } from "./transform";

const series = (name: string, times: number[], values: (number | null)[], step = 10_000): Series => ({ name, refId: "A", labels: new Map(), times, values, step });

test("series on one axis: a gap is a gap, another step is none", () => {
  const [times, a, b] = align([series("a", [0, 10_000, 40_000], [1, 2, 3]), series("b", [0, 20_000, 40_000], [4, 5, 6], 20_000)]);
  expect(times).toEqual([0, 10, 20, 40]);
  expect(a).toEqual([1, 2, null, 3]);
  expect(b).toEqual([4, undefined, 5, 6]);
});

test("stacks add up within their group", () => {
  expect(stack([[1, null], [2, 3], [10, 10]], ["A", "A", "B"], false)).toEqual([[1, 0], [3, 3], [10, 10]]);
  expect(stack([[1], [3]], ["A", "A"], true)).toEqual([[0.25], [1]]);
});

test("one value of many", () => {
  const v = [null, 1, 5, 3, null];
  expect(["last", "lastNotNull", "firstNotNull", "min", "max", "mean", "sum", "count", "range", "diff", "p99", "median", "no such"].map((c) => calc(c, v))).toEqual([null, 3, 1, 1, 5, 3, 9, 5, 4, 2, 5, 3, 3]);
  expect(["last", "max", "mean", "median"].map((c) => calc(c, []))).toEqual([null, null, null, null]);
  expect(calc("delta", [1, 3, 2])).toBe(4); // a counter that began again
});

test("values of tables, by column and by row", () => {
  const t = { refId: "A", columns: [{ name: "pod", kind: "string" as const, refId: "A" }, { name: "Value", kind: "number" as const, refId: "A" }], rows: [["a", 1], ["b", 2]] };
  const d = { series: [], tables: [t], lines: [], notes: [] };
  expect(singles(d, "sum", false, 10).map((s) => [s.name, s.value])).toEqual([["Value", 3]]);
  expect(singles(d, "sum", true, 10).map((s) => [s.name, s.value])).toEqual([["a", 1], ["b", 2]]);
});

test("tables of several queries are one", () => {
  const of = (refId: string, rows: [string, number][]) => ({ refId, columns: [{ name: "pod", kind: "string" as const, refId }, { name: `Value #${refId}`, kind: "number" as const, refId }], rows });
  const t = merged([of("A", [["a", 1], ["b", 2]]), of("B", [["b", 3], ["c", 4]])]);
  expect(t.columns.map((c) => c.name)).toEqual(["pod", "Value #A", "Value #B"]);
  expect(t.rows).toEqual([["a", 1, null], ["b", 2, 3], ["c", null, 4]]);
  expect(tableOf({ series: [series("x", [1000], [7])], tables: [], lines: [], notes: [] }).rows).toEqual([[1000, 7]]);
});

test("transformations that are known are done, others are named", () => {
  const p = read({ panels: [{ type: "table", transformations: [{ id: "organize", options: { excludeByName: { job: true }, renameByName: { pod: "Pod" }, indexByName: { Value: 0, pod: 1 } } }, { id: "groupBy" }, { id: "limit", options: { limitField: 1 } }] }] }).sections[0].panels[0];
  const columns = ["job", "pod", "Value"].map((name, i) => ({ name, kind: i < 2 ? ("string" as const) : ("number" as const), refId: "A" }));
  const d = transform(p, { series: [], tables: [{ refId: "A", columns, rows: [["j", "a", 1], ["j", "b", 2]] }], lines: [], notes: [] });
  expect(d.tables[0].columns.map((c) => c.name)).toEqual(["Value", "Pod"]);
  expect(d.tables[0].rows).toEqual([[1, "a"]]);
  expect(d.notes).toEqual(["transformation:groupBy"]);
});

test("names of series", () => {
  const a = new Map([["__name__", "up"], ["pod", "a"], ["job", "x"]]);
  const b = new Map([["__name__", "up"], ["pod", "b"], ["job", "x"]]);
  expect(metricName(a)).toBe('up{pod="a", job="x"}');
  expect(legend("{{pod}} of {{ job }}{{none}}", a, [a, b], "up")).toBe("a of x");
  expect(legend("__auto", a, [a, b], "up")).toBe('{pod="a"}');
  expect(legend("__auto", a, [a], "up")).toBe("up");
  expect(legend("", new Map(), [], "1 + 1")).toBe("1 + 1");
});

test("a panel for each value of a variable pushes down what is below", () => {
  const b = read({ panels: [{ type: "stat", title: "r", repeat: "pod", maxPerRow: 2, gridPos: { x: 0, y: 0, w: 24, h: 4 } }, { type: "stat", title: "below", gridPos: { x: 0, y: 4, w: 24, h: 4 } }] });
  const scope = new Map([["pod", { values: ["a", "b", "c"], texts: ["a", "b", "c"], multi: true }]]);
  const placed = place(b.sections[0].panels, scope);
  expect(placed.map((p) => [p.scope.get("pod")?.values, p.panel.grid.x, p.panel.grid.y, p.panel.grid.w])).toEqual([[["a"], 0, 0, 12], [["b"], 12, 0, 12], [["c"], 0, 4, 12], [["a", "b", "c"], 0, 8, 24]]);
  expect(sections([{ ...b.sections[0], repeat: "pod" }], scope).map((s) => s.scope.get("pod")?.values)).toEqual([["a"], ["b"], ["c"]]);
});

test("outlines and dials are paths", () => {
  expect(spark([1])).toBe("");
  expect(spark([0, null, 1])).toBe("M0.00,28.00L100.00,2.00");
  expect(arc(0, 1, 74)).toMatch(/^M[\d.]+ [\d.]+A74 74 0 1 1 [\d.]+ [\d.]+$/);
});
