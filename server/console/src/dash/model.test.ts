import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { kindOf, sources } from "./ask";
import { color } from "./colors";
import { fieldOf } from "./field";
import { value } from "./interpolate";
import { In } from "./json";
import { all, mostPanels, read } from "./model";
import { drawn } from "./panel";
import { kinds } from "./variables";
import { duration, rangeOf } from "./time";

const shipped = Object.entries(JSON.parse(readFileSync(new URL("../../e2e/boards.json", import.meta.url), "utf8")) as Record<string, unknown>);

test("nothing of a dashboard that ships is one that is not drawn", () => {
  expect(shipped.length).toBeGreaterThan(9);
  for (const [name, json] of shipped) {
    const b = read(json);
    const panels = b.sections.flatMap((s) => s.panels);
    expect(panels.length, name).toBeGreaterThan(3);
    expect(b.cut, name).toBe(0);
    expect(duration(b.refresh), name).toBeGreaterThan(0);
    const range = rangeOf(b.from, b.to, 1e12);
    expect(range.to - range.from, name).toBe(3 * 3_600_000);
    const scope = new Map(b.variables.filter((v) => v.type === "datasource").map((v) => [v.name, value(sources.get(v.query.str())?.uid ?? "none")]));
    for (const v of b.variables) expect(kinds.has(v.type), `${name}: variable ${v.name} of the type ${v.type}`).toBe(true);
    for (const p of panels) {
      expect(drawn.has(p.type), `${name}: ${p.title} is a ${p.type}`).toBe(true);
      expect(p.transformations, `${name}: ${p.title}`).toEqual([]);
      for (const t of p.targets) expect([...sources.keys()], `${name}: ${p.title}`).toContain(kindOf(t.source ?? p.source, scope));
    }
  }
});

test("members are read by their own names and types only", () => {
  const v = In.of(JSON.parse('{"__proto__": {"title": "x"}, "n": "12", "s": 7, "l": [1, 2, 3], "o": {"k": "v"}}'));
  expect(v.get("title").there).toBe(false);
  expect(v.get("toString").there).toBe(false);
  expect(v.get("__proto__").get("title").str()).toBe("x"); // an own member, like any other
  expect([v.get("n").num(), v.get("s").str(), v.get("l").list(2).length, v.get("o").str("none")]).toEqual([12, "7", 2, "none"]);
  expect(In.of("x".repeat(1000)).str("", 10)).toHaveLength(10);
  expect(({} as Record<string, unknown>).title).toBeUndefined();
});

test("whatever a file has, reading it gives a dashboard", () => {
  for (const json of [null, 1, "x", [], { panels: 7 }, { panels: [null, 1, [], { type: {} }] }, { templating: { list: [{ name: "a b" }, { name: "x" }, { name: "x" }] } }]) {
    expect(read(json).sections.length).toBeLessThan(2);
  }
  expect(read({ templating: { list: [{ name: "a b" }, { name: "x" }, { name: "x" }] } }).variables).toHaveLength(1);
  const many = read({ panels: Array.from({ length: mostPanels + 50 }, (_, i) => ({ type: "stat", gridPos: { x: 99, y: i, w: 99, h: 1e9 } })) });
  expect(many.cut).toBe(50);
  expect(many.sections[0].panels[0].grid).toEqual({ x: 0, y: 0, w: 24, h: 60 });
  expect(all).toBe("$__all");
});

test("rows have what is below them, and what is folded into them", () => {
  const at = (y: number) => ({ gridPos: { x: 0, y, w: 12, h: 8 } });
  const b = read({
    panels: [
      { type: "stat", title: "c", ...at(12) },
      { type: "row", title: "second", ...at(10), panels: [] },
      { type: "stat", title: "a", ...at(0) },
      { type: "row", title: "folded", collapsed: true, ...at(20), panels: [{ type: "stat", title: "d", ...at(21) }] },
      { type: "stat", title: "e", ...at(30) },
    ],
  });
  expect(b.sections.map((s) => [s.title, s.collapsed, s.panels.map((p) => p.title)])).toEqual([
    ["", false, ["a"]],
    ["second", false, ["c"]],
    ["folded", true, ["d"]],
    ["", false, ["e"]],
  ]);
});

test("panels of older Grafanas are what they became", () => {
  const b = read({
    panels: [
      { type: "graph", fill: 2, stack: true, yaxes: [{ format: "bytes", min: 0 }], legend: { show: true, values: true, avg: true, alignAsTable: true } },
      { type: "singlestat", format: "percent", valueName: "current", colors: ["green", "#EAB839", "red"], thresholds: "70,90", valueMaps: [{ value: "null", text: "N/A" }, { value: "__proto__", text: "x" }] },
      { type: "text", mode: "markdown", content: "**words**" },
    ],
  });
  const [graph, stat, text] = b.sections[0].panels;
  expect([graph.type, graph.defaults.get("unit").str(), graph.defaults.get("min").num(), graph.defaults.get("custom").get("stacking").get("mode").str(), graph.options.get("legend").get("calcs").strs(5)]).toEqual(["timeseries", "bytes", 0, "normal", ["mean"]]);
  const f = fieldOf(stat, { name: "x", refId: "A", number: true });
  expect([stat.type, f.text(null), f.text(5), f.color(95), f.color(10)]).toEqual(["stat", "N/A", "5%", color("red"), color("green")]);
  expect(text.options.get("content").str()).toBe("**words**");
});
