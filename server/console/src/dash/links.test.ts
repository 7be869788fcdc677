import { expect, test } from "vitest";
import { leadsOf } from "./boardlinks";
import type { Scope } from "./interpolate";
import { destination, destinations, filled, told } from "./links";
import { read } from "./model";

const known = { grafana: "https://grafana.example/", items: [{ name: "cluster", title: "Cluster", uid: "slipway-cluster", tags: ["slipway"] }, { name: "repo/sales", title: "Sales", uid: "sales", namespace: "shop" }] };
const scope: Scope = new Map([
  ["ns", { values: ["a b&c"], texts: ["a b&c"], multi: false }],
  ["pods", { values: ["x", "y"], texts: ["x", "y"], multi: true }],
  ["every", { values: ["x", "y"], texts: ["All"], multi: true, raw: ".*" }],
]);
const range = { from: 1000, to: 2000 };
const about = { series: "s 1", field: "f", labels: new Map([["node", "n/1"]]), row: new Map([["pod", "p&q"], ["a b", "c"]]), raw: 7, text: "7 B", time: 5 };

test.each([
  ["/d/slipway-cluster/any?var-a=1", { href: "/dashboards/cluster?var-a=1", here: true }],
  ["d/sales", { href: "/dashboards/repo/shop/sales", here: true }],
  ["https://grafana.example/d/sales/x", { href: "/dashboards/repo/shop/sales", here: true }],
  ["/d/other/x?y=1", { href: "https://grafana.example/d/other/x?y=1", here: false }],
  ["/explore?left=1", { href: "https://grafana.example/explore?left=1", here: false }],
  ["/applications/shop", { href: "/applications/shop", here: true }],
  ["https://example.org/a", { href: "https://example.org/a", here: false }],
  ["https://other.example/d/sales", { href: "https://other.example/d/sales", here: false }],
  ["javascript:alert(1)", undefined],
  ["//evil.example/d/sales", undefined],
  ["", undefined],
])("%s", (url, want) => {
  expect(destination(url, known)).toEqual(want);
});

test("without a Grafana nothing leads there", () => {
  expect(destination("/d/other", { items: known.items })).toBeUndefined();
  expect(destination("/d/sales", { items: known.items })?.here).toBe(true);
});

test("what variables of addresses stand for", () => {
  expect(filled("/d/x?v=$ns&${pods:queryparam}&${every:queryparam}&${__url_time_range}", scope, range)).toBe("/d/x?v=a%20b%26c&var-pods=x&var-pods=y&var-every=%24__all&from=1000&to=2000");
  expect(filled("?$__all_variables&f=${__from}", scope, range)).toBe("?var-ns=a%20b%26c&var-pods=x&var-pods=y&var-every=%24__all&f=1000");
  expect(filled('/x?p=${__data.fields.pod}&q=${__data.fields["a b"]}&r=${__data.fields.none}&n=${__field.labels.node}&v=${__value.raw}&t=${__value.time}', scope, range, about)).toBe("/x?p=p%26q&q=c&r=&n=n%2F1&v=7&t=5");
  expect(told("${__field.labels.node} of ${__series.name}: $__cell ${__field.name} ${__field.labels}", about)).toBe('n/1 of s 1: 7 B f node="n/1"');
});

test("a value cannot choose where a link leads", () => {
  const evil = { row: new Map([["url", "javascript:alert(1)"]]), raw: "javascript:alert(1)" };
  expect(destinations([{ title: "x", url: "${__data.fields.url}", blank: false }, { title: "y", url: "${__value.raw}", blank: false }], scope, range, known, evil).map((d) => d.href)).toEqual([]);
  expect(destinations([{ title: "x", url: "${__value.raw}", blank: false }], scope, range, known, { raw: "https://example.org/a?b=c" })[0].href).toBe("https://example.org/a?b=c");
});

test("links of a dashboard", () => {
  const b = read({ links: [{ type: "dashboards", tags: ["slipway"], title: "All", includeVars: true, keepTime: true }, { type: "dashboards", tags: ["none"], title: "None" }, { type: "link", url: "https://example.org/?a", title: "$ns", keepTime: true }, { type: "link", url: "data:x" }] });
  const leads = leadsOf(b.links, scope, range, known, "own", new URLSearchParams("from=now-1h&to=now&var-x=1"));
  expect(leads.map((l) => [l.title, ...l.to.map((d) => d.href)])).toEqual([
    ["All", "/dashboards/cluster?var-ns=a%20b%26c&var-pods=x&var-pods=y&var-every=%24__all&from=now-1h&to=now"],
    ["a b&c", "https://example.org/?a&from=now-1h&to=now"],
  ]);
});
