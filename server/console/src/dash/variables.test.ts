import { afterEach, beforeAll, expect, test, vi } from "vitest";
import { all, read } from "./model";
import { chosenOf, listOf, routeOf } from "./page";
import { ready } from "./pattern";
import type { Ask } from "./prom";
import { chooseOf, filtersOf, inOrder, listed, picked, resolve, sorted } from "./variables";

beforeAll(ready);
afterEach(() => void vi.unstubAllGlobals());

const of = (...list: object[]) => read({ templating: { list } }).variables;
const ask = (): Ask => ({ range: { from: 0, to: 3_600_000 }, points: 100, scrape: 30_000, least: "", scope: new Map(), signal: new AbortController().signal });

test("values written by hand", () => {
  expect(listed("a, b : 1,c\\,d,, ").map((o) => [o.text, o.value])).toEqual([["a", "a"], ["b", "1"], ["c,d", "c,d"]]);
  expect(picked(["web-1", "web-2", "db"], "/^web-(?<value>\\d)(?<text>.*)$/").map((o) => o.value)).toEqual(["1", "2"]);
  expect(picked(["web-1", "db-2", "db-3"], "(.*)-\\d").map((o) => o.value)).toEqual(["web", "db"]);
  const o = (...l: string[]) => l.map((x) => ({ text: x, value: x }));
  expect(sorted(o("b10", "a9", "b2"), 1).map((x) => x.text)).toEqual(["a9", "b10", "b2"]);
  expect(sorted(o("b10", "a9", "b2"), 4).map((x) => x.text)).toEqual(["b10", "a9", "b2"]);
  expect(sorted(o("b10", "b2"), 7).map((x) => x.text)).toEqual(["b2", "b10"]);
});

test("what is chosen: the address, else the board, else the first", () => {
  const options = ["a", "b"].map((x) => ({ text: x, value: x }));
  const [one, many, ns, text, fixed] = of(
    { name: "one", type: "custom", current: { value: "b" } },
    { name: "many", type: "custom", multi: true, includeAll: true, current: { value: ["gone"] } },
    { name: "namespace", type: "query" },
    { name: "text", type: "textbox", query: "x" },
    { name: "fixed", type: "constant", query: "y" },
  );
  expect(chooseOf(one, options, ["c", "d"], "")).toEqual(["c"]); // what is not listed may be meant
  expect(chooseOf(one, options, undefined, "")).toEqual(["b"]);
  expect(chooseOf(many, options, undefined, "")).toEqual([all]);
  expect(chooseOf(many, options, ["a", "b"], "")).toEqual(["a", "b"]);
  expect(chooseOf(many, options, ["All"], "")).toEqual([all]);
  expect(chooseOf(ns, options, undefined, "b")).toEqual(["b"]); // the namespace that is shown elsewhere
  expect(chooseOf(text, [{ text: "x", value: "x" }], ["typed"], "")).toEqual(["typed"]);
  expect(chooseOf(fixed, [{ text: "y", value: "y" }], ["other"], "")).toEqual(["y"]); // no address changes it
});

test("variables are made of those before them, and of themselves nothing comes", async () => {
  const asked: string[] = [];
  vi.stubGlobal("fetch", (url: string) => {
    asked.push(decodeURIComponent(url.replace(/\+/g, " ")));
    return Promise.resolve(Response.json({ data: url.includes("label/namespace") ? ["shop", "x"] : ["web", "db"] }));
  });
  const list = of(
    { name: "pod", type: "query", multi: true, query: 'label_values(up{namespace="$namespace"}, pod)' },
    { name: "namespace", type: "query", query: { query: "label_values(namespace)" } },
    { name: "a", type: "query", query: "label_values($b, x)" },
    { name: "b", type: "query", query: "label_values($a, x)" },
    { name: "odd", type: "system" },
    { name: "by", type: "adhoc", filters: [{ key: "pod", operator: "=~", value: "a|b" }] },
  );
  expect(inOrder(list).map((v) => v.name).slice(0, 2)).toEqual(["namespace", "pod"]);
  const r = await resolve(list, new Map([["namespace", ["x"]]]), "shop", ask());
  expect(r.list.map((x) => [x.variable.name, x.values, Boolean(x.error)])).toEqual([["pod", ["web"], false], ["namespace", ["x"], false], ["a", ["web"], false], ["b", ["web"], false], ["odd", [], true], ["by", ["pod|=~|a__gfp__b"], false]]);
  expect(filtersOf(r.list, r.scope)).toEqual([{ kind: "prometheus", key: "pod", op: "=~", value: "a|b" }]);
  expect(r.scope.has("by")).toBe(false);
  expect(asked.some((u) => u.includes('match[]=up{namespace="x"}'))).toBe(true);
  expect(r.scope.get("pod")).toMatchObject({ values: ["web"], multi: true });
});

test("addresses of dashboards and what is chosen in them", () => {
  expect(routeOf(["cluster"])).toBe("/api/v1/dashboards/cluster");
  expect(routeOf(["app", "default", "shop"])).toBe("/api/v1/namespaces/default/applications/shop/dashboard");
  expect(routeOf(["app", "a/../b", "x"])).toBe("/api/v1/namespaces/a%2F..%2Fb/applications/x/dashboard");
  expect(routeOf(["repo", "default", "sales_1"])).toBe("/api/v1/namespaces/default/dashboards/sales_1");
  expect(routeOf(["a", "b"])).toBeUndefined();
  const list = (ns: string) => `/api/v1/dashboards?source=shipped%2Crepository%2Cconfigmap&namespace=${ns}`;
  expect([["cluster"], ["app", "a", "b"], ["repo", "a", "b"]].map((p) => listOf(p, "home"))).toEqual([list("home"), list("a"), list("a")]);
  expect([...chosenOf(new URLSearchParams("var-a=1&var-a=2&from=now-1h&var-b="))]).toEqual([["a", ["1", "2"]], ["b", [""]]]);
});
