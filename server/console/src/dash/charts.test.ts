import { expect, test } from "vitest";
import { onTop } from "./colors";
import type { Cell, Data, Series } from "./data";
import { fieldOf } from "./field";
import { read } from "./model";
import { frameOf, rect } from "./panels/axes";
import { barsOf, pieces, placed } from "./panels/barchart";
import type { Drawing } from "./panels/context";
import { counted } from "./panels/histogram";
import { partsOf, shares, slice } from "./panels/pie";
import { linear, logarithmic, stepOf } from "./panels/scale";
import { cells, hues, lasting, samplesOf } from "./panels/spans";

const series = (name: string, values: (number | null)[], step = 10_000): Series => ({ name, refId: "A", labels: new Map([["pod", name]]), times: values.map((_, i) => i * step), values, step });
const data = (more: Partial<Data>): Data => ({ series: [], tables: [], lines: [], notes: [], ...more });
const panel = (type: string, more: object) => read({ panels: [{ type, ...more }] }).sections[0].panels[0];
const drawing = (p: ReturnType<typeof panel>, d: Data) => ({ panel: p, data: d, range: { from: 0, to: 100_000 }, scope: new Map(), known: { items: [] } }) as unknown as Drawing;
const named = (kind: "string" | "number" | "time") => (name: string) => ({ name, kind, refId: "A" });

test("shares of a whole: nothing of what is not above zero", () => {
  expect(shares([1, 3, -5, null, Number.NaN, "x", 0])).toEqual([0.25, 0.75, 0, 0, 0, 0, 0]);
  expect(shares([])).toEqual([]);
  expect(shares([0, null])).toEqual([0, 0]);
  expect(shares([1e308, 1e308])).toEqual([0.5, 0.5]);
});

test("a slice: from the top on, with a hole, and a whole turn", () => {
  expect(slice(0, 0.25, 10, 0)).toBe("M0 0L0.00 -10.00A10 10 0 0 1 10.00 -0.00Z");
  expect(slice(0, 0.75, 10, 0)).toContain("A10 10 0 1 1 -10.00");
  expect(slice(0.25, 0.5, 10, 5)).toBe("M10.00 -0.00A10 10 0 0 1 0.00 10.00L0.00 5.00A5 5 0 0 0 5.00 -0.00Z");
  expect(slice(0, 1, 10, 0).match(/A10/g)).toHaveLength(2);
});

test("a pie's parts: sorted, coloured by their place, in their words", () => {
  const d = data({ series: [series("a", [1]), series("b", [6]), series("c", [3])] });
  const of = (options: object, defaults: object = {}) => partsOf(drawing(panel("piechart", { options, fieldConfig: { defaults: { unit: "short", ...defaults } } }), d));
  expect(of({}).map((p) => [p.name, p.percent, p.text, Number(p.from.toFixed(3))])).toEqual([["b", "60%", "6", 0], ["c", "30%", "3", 0.6], ["a", "10%", "1", 0.9]]);
  expect(of({ sort: "asc" }).map((p) => p.name)).toEqual(["a", "c", "b"]);
  expect(of({ sort: "none" }).map((p) => p.name)).toEqual(["a", "b", "c"]);
  expect(of({}, { decimals: 1 })[0].percent).toBe("60.0%");
  // Without a rule the palette's, by the order in which they came; with one, by the value.
  expect(new Set(of({}).map((p) => p.hue)).size).toBe(3);
  const steps = [{ value: null, color: "#00ff00" }, { value: 5, color: "#ff0000" }];
  expect(of({ sort: "none" }, { color: { mode: "thresholds" }, thresholds: { mode: "absolute", steps } }).map((p) => p.hue)).toEqual(["#00ff00", "#ff0000", "#00ff00"]);
});

test("a plugin's older pie is Grafana's own", () => {
  const p = panel("grafana-piechart-panel", { pieType: "donut", format: "bytes", legendType: "Right side", legend: { values: true, percentage: true }, valueName: "total" });
  expect([p.type, p.options.get("pieType").str(), p.options.get("reduceOptions").get("calcs").strs(2), p.options.get("legend").get("placement").str(), p.options.get("legend").get("values").strs(3), p.defaults.get("unit").str()]).toEqual(["piechart", "donut", ["sum"], "right", ["value", "percent"], "bytes"]);
  expect(panel("grafana-piechart-panel", { legendType: "On graph", legend: { percentage: true } }).options.get("displayLabels").strs(3)).toEqual(["name", "percent"]);
});

test("axes: round figures around what there is", () => {
  expect([stepOf(10, 5), stepOf(9.9, 10), stepOf(0.07, 7), stepOf(1e9, 4)]).toEqual([2, 1, 0.01, 2.5e8]);
  const s = linear(0, 97, 5);
  expect([s.low, s.high, s.ticks]).toEqual([0, 100, [0, 20, 40, 60, 80, 100]]);
  expect([s.at(50), s.at(-5), s.at(500)]).toEqual([0.5, 0, 1]);
  expect(linear(-3, 7, 5).ticks).toEqual([-4, -2, 0, 2, 4, 6, 8]);
  const fixed = linear(0, 10, 4, { min: 3, max: 8 });
  expect([fixed.low, fixed.high]).toEqual([3, 8]);
  for (const odd of [linear(0, 0, 5), linear(5, 5, 5), linear(0, 10, 5, { min: 9, max: 1 }), linear(0, 10, 0)]) {
    expect(odd.high).toBeGreaterThan(odd.low);
    expect(odd.ticks.length).toBeLessThan(50);
  }
  const log = logarithmic(3, 4000, 10);
  expect(log.ticks).toEqual([1, 10, 100, 1000, 10_000]);
  expect([log.at(100), log.at(0)]).toEqual([0.5, 0]);
});

test("bars: named by a field, by the first text, or by the time", () => {
  const t = { refId: "A", columns: [named("time")("Time"), named("string")("pod"), named("string")("node"), named("number")("Value"), named("number")("size")], rows: [[0, "a", "x", 1, 10], [0, "b", "y", null, 20]] as Cell[][] };
  const of = (options: object, d = data({ tables: [t] })) => barsOf(panel("barchart", { options }), d, new Map());
  expect([of({}).names, of({}).columns.map((c) => [c.name, c.values])]).toEqual([["a", "b"], [["Value", [1, null]], ["size", [10, 20]]]]);
  expect(of({ xField: "node" }).names).toEqual(["x", "y"]);
  // A column of numbers names them too, and is then no bar.
  expect([of({ xField: "size" }).names, of({ xField: "size" }).columns.map((c) => c.name)]).toEqual([["10", "20"], ["Value"]]);
  expect(of({ xField: "constructor" }).names).toEqual(["a", "b"]);
  expect(of({ colorByField: "size" }).by?.values).toEqual([10, 20]);
  const overTime = barsOf(panel("barchart", { fieldConfig: { defaults: { unit: "short" } } }), data({ series: [series("a", [1, 2])] }), new Map(), String);
  expect([overTime.names, overTime.columns.map((c) => c.values)]).toEqual([["0", "10000"], [[1, 2]]]);
  const many = { ...t, rows: Array.from({ length: 900 }, (_, i) => [0, String(i), "", i, i]) as Cell[][] };
  expect([of({}, data({ tables: [many] })).names.length, of({}, data({ tables: [many] })).cut]).toEqual([500, true]);
});

test("bars on one another: what is below zero goes down, shares are of the whole", () => {
  const ends = (stacking: string) => pieces([[1, -2], [3, -4], [null, 6]], stacking).map((p) => [p.group, p.column, p.from, p.to]);
  expect(ends("none")).toEqual([[0, 0, 0, 1], [0, 1, 0, 3], [1, 0, 0, -2], [1, 1, 0, -4], [1, 2, 0, 6]]);
  expect(ends("normal")).toEqual([[0, 0, 0, 1], [0, 1, 1, 4], [1, 0, 0, -2], [1, 1, -2, -6], [1, 2, 0, 6]]);
  expect(ends("percent").slice(0, 2)).toEqual([[0, 0, 0, 0.25], [0, 1, 0.25, 1]]);
  expect(pieces([], "none")).toEqual([]);
});

test("bars in their frame, upright and lying", () => {
  const s = linear(0, 10, 5);
  const up = frameOf(228, 128, false, ["10"], 20);
  expect([up.left, up.top, up.height]).toEqual([28, 8, 100]);
  const [a, b] = placed(pieces([[10, 5]], "none"), 2, 1, false, { ...up, width: 200 }, s, 0.5, 1);
  expect([a.box, b.box]).toEqual([{ x: 53, y: 8, width: 50, height: 100 }, { x: 153, y: 58, width: 50, height: 50 }]);
  const lying = frameOf(300, 128, true, ["10"], 60);
  expect(rect(lying, s, 0, 10, 20, 7)).toEqual({ x: lying.left, y: 20, width: lying.width, height: 7 });
  const side = placed(pieces([[10], [10]], "none"), 1, 2, false, { ...up, left: 0, width: 100 }, s, 1, 0.5);
  expect(side.map((p) => [p.box.x, p.box.width])).toEqual([[12.5, 25], [62.5, 25]]);
});

test("values in buckets: of a size, about so many, of all together", () => {
  expect(counted([[0, 1, 9], [5]], { size: 5 })).toEqual({ from: 0, size: 5, counts: [[2, 1], [0, 1]] });
  expect(counted([[0, 1, 9], [5]], { size: 5, combine: true }).counts).toEqual([[2, 2]]);
  expect(counted([[7]], { size: 5, offset: 2 })).toMatchObject({ from: 7, counts: [[1]] });
  const by = counted([Array.from({ length: 100 }, (_, i) => i)], { count: 10 });
  expect([by.size, by.counts[0].length]).toEqual([10, 10]);
  expect(counted([[0.1, 0.2, 0.3]], { size: 0.1 }).counts).toEqual([[1, 1, 1]]); // no bucket is one too far by a fraction
  expect(counted([[5, 5]], {}).counts).toEqual([[2]]);
  expect(counted([], {}).counts).toEqual([]);
  for (const odd of [{ size: 1e-300 }, { count: 1e300 }, { count: -1 }, { size: -1 }, { size: 1e300 }, { offset: 1e300 }]) {
    const c = counted([[0, 1, 1000]], odd);
    expect(c.counts[0].length, JSON.stringify(odd)).toBeLessThan(1100);
    expect(c.counts[0].reduce((a, b) => a + b, 0)).toBe(3);
  }
});

test("states last until the next, and a gap is a gap", () => {
  const look = (v: Cell) => ({ text: String(v), color: "#000000" });
  const [s] = samplesOf(data({ series: [series("a", [1, 1, 2, null, 2])] }));
  const spans = (merge: boolean, connect: boolean) => lasting(s, 100_000, look, merge, connect).map((x) => [x.text, x.from, x.to]);
  expect(spans(true, false)).toEqual([["1", 0, 20_000], ["2", 20_000, 30_000], ["2", 40_000, 50_000]]);
  expect(spans(false, false)[0]).toEqual(["1", 0, 10_000]);
  expect(spans(true, true)).toEqual([["1", 0, 20_000], ["2", 20_000, 50_000]]);
  const holed = { ...s, times: [0, 10_000, 50_000], values: [1, 1, 1] };
  expect(lasting(holed, 100_000, look, true, false).map((x) => [x.from, x.to])).toEqual([[0, 20_000], [50_000, 60_000]]);
  // Of a table, with its texts: the last one lasts.
  const t = { refId: "A", columns: [named("string")("state"), named("time")("Time")], rows: [["b", 5000], ["a", 0]] as Cell[][] };
  expect(lasting(samplesOf(data({ tables: [t] }))[0], 9000, look, true, false)).toEqual([{ text: "a", color: "#000000", from: 0, to: 5000 }, { text: "b", color: "#000000", from: 5000, to: 9000 }]);
  expect(cells(s, 1, look).map((x) => [x.from, x.to])).toEqual([[-5000, 5000], [5000, 15_000], [15_000, 25_000], [35_000, 45_000]]);
});

test("states are coloured by what they are mapped to, by thresholds, or each text by its own", () => {
  const field = (defaults: object) => fieldOf(panel("state-timeline", { fieldConfig: { defaults } }), { name: "a", refId: "A", number: true });
  const mapped = field({ mappings: [{ type: "value", options: { "1": { text: "up", color: "#00ff00" } } }] });
  const hue = hues(mapped, 0, 2);
  expect([hue(1), hue(0) === hue(2)]).toEqual(["#00ff00", false]);
  expect(hue("x")).not.toBe(hue("y"));
  expect(hue("x")).toBe(hue("x"));
  const steps = [{ value: null, color: "#00ff00" }, { value: 50, color: "#ff0000" }];
  const by = field({ unit: "percent", color: { mode: "thresholds" }, thresholds: { mode: "absolute", steps } });
  expect([by.band(3), by.band(50), by.band("x"), mapped.band(1)]).toEqual(["< 50%", "50%+", undefined, undefined]);
  expect([onTop("#000000"), onTop("#ffffff"), onTop("#FADE2A"), onTop("nonsense")]).toEqual(["#fff", "#1f2328", "#1f2328", "#fff"]);
});
