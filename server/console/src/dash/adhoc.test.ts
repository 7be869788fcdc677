import { expect, test } from "vitest";
import { type Filter, inLucene, inPromQL, read, written } from "./adhoc";

const filters: Filter[] = [{ kind: "prometheus", key: "app", op: "=", value: 'a"b' }, { kind: "prometheus", key: "k8s.name", op: "!~", value: "x.*" }];
const m = 'app="a\\"b","k8s.name"!~"x.*"';

test.each([
  ["up", `up{${m}}`],
  ['up{job="x"}', `up{job="x",${m}}`],
  ['up{job="x",}', `up{job="x",${m}}`],
  ["up{}", `up{${m}}`],
  ['{__name__="up"}', `{__name__="up",${m}}`],
  ['sum by (pod, job) (rate(x_total{a="}"}[5m])) / on(pod) group_left(node) y', `sum by (pod, job) (rate(x_total{a="}",${m}}[5m])) / on(pod) group_left(node) y{${m}}`],
  ["sum(a) without (b)", `sum(a{${m}}) without (b)`],
  ["a and b or c unless d", `a{${m}} and b{${m}} or c{${m}} unless d{${m}}`],
  ["max_over_time(rate(a[5m])[1h:5m] offset 5m)", `max_over_time(rate(a{${m}}[5m])[1h:5m] offset 5m)`],
  ["a > bool 1e3", `a{${m}} > bool 1e3`],
  ["a @ end()", `a{${m}} @ end()`],
  ['label_replace(a, "x", "$1", "y", "(up).*")', `label_replace(a{${m}}, "x", "$1", "y", "(up).*")`],
  ["a # up\n+ b", `a{${m}} # up\n+ b{${m}}`],
  ["job:x:rate5m * 100 == Inf", `job:x:rate5m{${m}} * 100 == Inf`],
  ['a{x=`{`} + {y="\'"}', `a{x=\`{\`,${m}} + {y="'",${m}}`],
  ["vector(1)", "vector(1)"],
  ["", ""],
])("%s", (query, want) => {
  expect(inPromQL(query, filters)).toBe(want);
});

test("without a filter a query stays as it is", () => {
  expect(inPromQL("{ odd", [])).toBe("{ odd");
  expect(inLucene("x", [])).toBe("x");
});

test("filters in query strings", () => {
  expect(inLucene("*", filters)).toBe('app:"a\\"b" AND NOT k8s.name:/x.*/');
  expect(inLucene("a OR b", [{ ...filters[0], key: 'a b:c', value: ") OR x:(" }])).toBe('(a OR b) AND a\\ b\\:c:") OR x:("');
});

test("filters in addresses", () => {
  expect(written("a", "=~", "x|y,z#")).toBe("a|=~|x__gfp__y__gfc__z__gfh__");
  expect(read("a|=~|x__gfp__y__gfc__z__gfh__")).toEqual({ key: "a", op: "=~", value: "x|y,z#" });
  for (const none of ["", "a", "a|=", "|=|b", "a|like|b", "a|=|b|c"]) expect(read(none), none).toBeUndefined();
});
