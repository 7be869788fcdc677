import { beforeAll, expect, test } from "vitest";
import { calc, type Data, type Series, singles } from "./data";
import { place, sections } from "./layout";
import { read } from "./model";
import { merged, tableOf } from "./panels/table";
import { ready } from "./pattern";
import { heatOf, inBuckets } from "./panels/heatmap";
import { align, stack, turned } from "./panels/timeseries";
import { arc, spark } from "./panels/values";
import { legend, metricName } from "./prom";
import { transform } from "./transform";

beforeAll(ready);

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
  const p = read({ panels: [{ type: "table", transformations: [{ id: "organize", options: { excludeByName: { job: true }, renameByName: { pod: "Pod" }, indexByName: { Value: 0, pod: 1 } } }, { id: "extractFields" }, { id: "calculateField", options: { mode: "index" } }, { id: "limit", options: { limitField: 1 } }] }] }).sections[0].panels[0];
  const columns = ["job", "pod", "Value"].map((name, i) => ({ name, kind: i < 2 ? ("string" as const) : ("number" as const), refId: "A" }));
  const d = transform(p, { series: [], tables: [{ refId: "A", columns, rows: [["j", "a", 1], ["j", "b", 2]] }], lines: [], notes: [] });
  expect(d.tables[0].columns.map((c) => c.name)).toEqual(["Value", "Pod"]);
  expect(d.tables[0].rows).toEqual([[1, "a"]]);
  expect(d.notes).toEqual(["transformation:extractFields", "transformation:calculateField"]);
});

test("transformations that make other rows", () => {
  const column = (name: string, kind: "string" | "number" | "time" = "string", refId = "A") => ({ name, kind, refId });
  const pods = { refId: "A", columns: [column("Time", "time"), column("pod"), column("node"), column("Value #A", "number")], rows: [[1, "a", "x", 1], [1, "b", "x", 2], [1, "c", "y", 4]] };
  const more = { refId: "B", columns: [column("Time", "time", "B"), column("pod", "string", "B"), column("Value #B", "number", "B")], rows: [[1, "b", 20], [1, "d", 40]] };
  const run = (id: string, options: object, d: Partial<Data>) => transform(read({ panels: [{ type: "table", transformations: [{ id, options }] }] }).sections[0].panels[0], { series: [], tables: [], lines: [], notes: [], ...d });
  const shown = (d: Data) => [d.tables[0].columns.map((c) => c.name), ...d.tables[0].rows];

  expect(shown(run("joinByField", { byField: "pod" }, { tables: [pods, more] }))).toEqual([
    ["pod", "Time 1", "node", "Value #A", "Time 2", "Value #B"],
    ["a", 1, "x", 1, null, null], ["b", 1, "x", 2, 1, 20], ["c", 1, "y", 4, null, null], ["d", null, null, null, 1, 40],
  ]);
  expect(shown(run("seriesToColumns", { byField: "pod", mode: "inner" }, { tables: [pods, more] })).slice(1)).toEqual([["b", 1, "x", 2, 1, 20]]);
  expect(shown(run("groupBy", { fields: { node: { operation: "groupby" }, "Value #A": { operation: "aggregate", aggregations: ["sum", "lastNotNull"] }, pod: { operation: "aggregate", aggregations: ["last", "count"] } } }, { tables: [pods] }))).toEqual([
    ["node", "pod (last)", "pod (count)", "Value #A (sum)", "Value #A (lastNotNull)"],
    ["x", "b", 2, 3, 2], ["y", "c", 1, 4, 4],
  ]);
  const a = { ...series("a", [1000], [1]), labels: new Map([["pod", "a"], ["job", "j"]]) };
  const b = { ...series("b", [1000], [2]), labels: new Map([["pod", "b"], ["job", "j"]]) };
  expect(shown(run("labelsToFields", { keepLabels: ["pod"] }, { series: [a, b] }))).toEqual([["Time", "pod", "Value"], [1000, "a", 1], [1000, "b", 2]]);
  expect(shown(run("labelsToFields", { valueLabel: "pod" }, { series: [a, b] }))).toEqual([["Time", "job", "a", "b"], [1000, "j", 1, 2]]);
  expect(shown(run("reduce", { reducers: ["max", "lastNotNull"] }, { series: [series("a", [1, 2], [3, 1])] }))).toEqual([["Field", "Max", "Last *"], ["a", 3, 1]]);
  expect(shown(run("reduce", { mode: "reduceFields", reducers: ["sum"] }, { tables: [pods] }))).toEqual([["Value #A"], [7]]);
  expect(shown(run("filterByValue", { type: "exclude", match: "any", filters: [{ fieldName: "node", config: { id: "equal", options: { value: "x" } } }] }, { tables: [pods] })).slice(1)).toEqual([[1, "c", "y", 4]]);
  expect(run("filterByValue", { filters: [{ fieldName: "node", config: { id: "no such" } }] }, { tables: [pods] }).notes).toEqual(["transformation:filterByValue"]);
  expect(shown(run("seriesToRows", {}, { series: [series("a", [1000, 2000], [1, 2])] }))).toEqual([["Time", "Metric", "Value"], [1000, "a", 1], [2000, "a", 2]]);
  expect(run("filterByRefId", { include: "A|C" }, { tables: [pods, more] }).tables.map((t) => t.refId)).toEqual(["A"]);

  const two = [series("a", [0, 10_000], [1, 2]), series("b", [0, 10_000], [3, null])];
  const means = run("calculateField", { mode: "reduceRow", alias: "mean", reduce: { reducer: "mean" }, replaceFields: true }, { series: two });
  expect(means.series.map((s) => [s.name, s.values])).toEqual([["mean", [2, 2]]]);
  const sums = run("calculateField", { mode: "binary", binary: { left: { matcher: { id: "byName", options: "a" } }, operator: "*", right: { fixed: "10" } } }, { series: two });
  expect(sums.series.map((s) => [s.name, s.values])).toEqual([["a", [1, 2]], ["b", [3, null]], ["a * 10", [10, 20]]]);
  expect(shown(run("calculateField", { mode: "binary", alias: "half", binary: { left: "Value #A", operator: "/", right: "2" } }, { tables: [pods] })).map((r) => r.at(-1))).toEqual(["half", 0.5, 1, 2]);
});

test("buckets of a histogram: each has what those below it do not, in their order", () => {
  const bucket = (le: string, values: (number | null)[]) => ({ ...series(le, [0, 10_000], values), labels: new Map([["le", le]]) });
  const h = heatOf([bucket("+Inf", [10, 12]), bucket("0.5", [4, 4]), bucket("0.1", [1, null])]);
  expect(h.rows.map((r) => [r.name, r.values])).toEqual([["0.1", [1, null]], ["0.5", [3, 4]], ["+Inf", [6, 8]]]);
  expect([h.times, h.most]).toEqual([[0, 10], 8]);
  expect(heatOf([]).rows).toEqual([]);
  // Series that are no buckets are rows of their own, or counted into some.
  expect(heatOf([series("a", [0], [2]), series("b", [0], [5])]).rows.map((r) => r.values)).toEqual([[2], [5]]);
  const counted = heatOf(inBuckets([series("a", [0], [0]), series("b", [0], [1]), series("c", [0], [10])], 2));
  expect(counted.rows.map((r) => [r.top, r.values])).toEqual([[5, [2]], [10, [1]]]);
  expect(inBuckets([series("a", [0], [null])])).toEqual([]);
});

test("what goes down is drawn below the axis, and is another stack", () => {
  expect(turned([1, null, undefined, -2], true)).toEqual([-1, null, undefined, 2]);
  expect(turned([1, null], false)).toEqual([1, null]);
});

test("names of series", () => {
  const a = new Map([["__name__", "up"], ["pod", "a"], ["job", "x"]]);
  const b = new Map([["__name__", "up"], ["pod", "b"], ["job", "x"]]);
  expect(metricName(a)).toBe('up{pod="a", job="x"}');
  expect(legend("{{pod}} of {{ job }}{{none}}", a, [a, b], "up")).toBe("a of x");
  expect(legend("{{none}}", a, [a, b], "up")).toBe('up{pod="a", job="x"}');
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
