import { expect, test } from "vitest";
import { replace, type Scope, uses, value } from "./interpolate";
import { link } from "./link";

const scope: Scope = new Map([
  ["ns", { values: ["shop"], texts: ["The shop"], multi: false }],
  ["evil", { values: [`a"} or {x=~".*`], texts: ["evil"], multi: false }],
  ["pods", { values: ["web-1.2", "a|b"], texts: ["web-1.2", "a|b"], multi: true }],
  ["one", { values: ["a.b"], texts: ["a.b"], multi: true }],
  ["every", { values: ["a", "b"], texts: ["All"], multi: true, raw: ".*" }],
  ["part", { values: ['job="x"'], texts: ["x"], multi: false, authored: true }],
  ["search", { values: ['err* AND "b"'], texts: ["x"], multi: false }],
  ["none", { values: [], texts: [], multi: true }],
  ["__from", value("1700000000000")],
]);

test.each([
  ['up{n="$ns"}', "prometheus", 'up{n="shop"}'],
  ['up{n="${ns}",m="[[ns]]"}', "prometheus", 'up{n="shop",m="shop"}'],
  ['up{n="$evil"}', "prometheus", 'up{n="a\\"} or {x=~\\".*"}'],
  ['up{p=~"$pods"}', "prometheus", 'up{p=~"(web-1\\\\.2|a\\\\|b)"}'],
  ['up{p=~"$one"}', "prometheus", 'up{p=~"a\\\\.b"}'],
  ['up{p=~"$every"}', "prometheus", 'up{p=~".*"}'],
  ["up{$part}", "prometheus", 'up{job="x"}'],
  ['up{p=~"$none"}', "prometheus", 'up{p=~""}'],
  ["rate(x[$unknown])", "prometheus", "rate(x[$unknown])"],
  ["$nsx ${pods:csv} ${pods:pipe} ${pods:regex}", "text", "$nsx web-1.2,a|b web-1.2|a|b (web-1\\.2|a\\|b)"],
  ["${pods:json} ${ns:percentencode} ${pods:doublequote}", "text", '["web-1.2","a|b"] shop "web-1.2","a|b"'],
  ["$ns ${ns:raw} ${ns:text}", "text", "The shop shop The shop"],
  ["($search) ${search:raw}", "lucene", '(err\\*\\ AND\\ \\"b\\") err* AND "b"'],
  ["pod:$pods", "lucene", 'pod:("web\\-1.2" OR "a\\|b")'],
  ["${__from} ${__from:date} ${__from:date:seconds}", "text", "1700000000000 2023-11-14T22:13:20.000Z 1700000000"],
] as const)("%s", (text, format, want) => {
  expect(replace(text, scope, format)).toBe(want);
});

test("a query does not grow without end", () => {
  const big: Scope = new Map([["x", value("y".repeat(10_000))]]);
  expect(() => replace("$x $x $x $x $x", big, "prometheus")).toThrow("most are");
});

test("which variables a text uses", () => {
  expect(uses("$a ${b:csv} [[c]] $$ {d}")).toEqual(["a", "b", "c"]);
});

test("links lead to pages only", () => {
  for (const good of ["https://example.org/x", "http://example.org", "/runs/x", "?var-a=b", "#x", "docs/page.html"]) expect(link(good), good).toBeTruthy();
  for (const bad of ["javascript:alert(1)", " JAVASCRIPT:alert(1)", "java\nscript:alert(1)", "data:text/html,x", "//evil.example", "/\\evil.example", "vbscript:x", ""]) expect(link(bad), bad).toBeUndefined();
});
