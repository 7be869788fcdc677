import { afterEach, expect, test, vi } from "vitest";
import { askPanel, kindOf, NoSource, sources } from "./ask";
import { type Scope, value } from "./interpolate";
import { read } from "./model";
import { type Ask, marks } from "./prom";

afterEach(() => void vi.unstubAllGlobals());

interface Asked {
  url: URL;
  body?: Record<string, unknown>;
}

/** answers of the two sources, and what they were asked. */
function stub(answer: (a: Asked) => unknown): Asked[] {
  const asked: Asked[] = [];
  vi.stubGlobal("fetch", (url: string, init?: RequestInit) => {
    const a = { url: new URL(url, "http://x"), body: typeof init?.body === "string" ? (JSON.parse(init.body) as Record<string, unknown>) : undefined };
    asked.push(a);
    return Promise.resolve(Response.json(answer(a)));
  });
  return asked;
}

const scope: Scope = new Map([["ns", value("shop")], ["datasource", value("slipway-prometheus")], ["logs", value("slipway-logs")]]);
const ask = (more: Partial<Ask> = {}): Ask => ({ range: { from: 1_000_000_007, to: 1_003_600_007 }, points: 500, scrape: 30_000, least: "", scope, signal: new AbortController().signal, ...more });
const panel = (p: object) => read({ panels: [{ type: "timeseries", ...p }] }).sections[0].panels[0];

test("a query over time: aligned to its step, with the intervals that are made of it", async () => {
  const asked = stub(() => ({ data: { resultType: "matrix", result: [{ metric: { pod: "a" }, values: [[1, "2"], [2, "NaN"], [3, "+Inf"]] }] } }));
  const d = await askPanel(panel({ targets: [{ expr: 'rate(x{n="$ns"}[$__rate_interval])[$__range:$__interval]', legendFormat: "{{pod}} of $ns" }] }), ask());
  const q = asked[0].url.searchParams;
  expect(asked[0].url.pathname).toBe("/prometheus/api/v1/query_range");
  expect(q.get("query")).toBe('rate(x{n="shop"}[2m])[3600s:30s]');
  expect(["start", "end", "step"].map((k) => Number(q.get(k)))).toEqual([999_990, 1_003_590, 30]);
  expect(d.series.map((s) => [s.name, s.times, s.values])).toEqual([["a of shop", [1000, 2000, 3000], [2, null, Infinity]]]);
});

test("one moment, as a table, with several targets", async () => {
  stub((a) => ({ data: { resultType: "vector", result: [{ metric: { __name__: "up", pod: "a" }, value: [7, a.url.searchParams.get("query") === "up" ? "1" : "2"] }] } }));
  const d = await askPanel(panel({ targets: [{ refId: "A", expr: "up", instant: true, format: "table" }, { refId: "B", expr: "down", instant: true, format: "table" }, { refId: "C", expr: "hidden", hide: true }] }), ask());
  expect(d.tables.map((t) => [t.columns.map((c) => c.name), t.rows])).toEqual([
    [["Time", "__name__", "pod", "Value #A"], [[7000, "up", "a", 1]]],
    [["Time", "__name__", "pod", "Value #B"], [[7000, "up", "a", 2]]],
  ]);
});

test("lines by time and field, as Grafana's source asks", async () => {
  const asked = stub(() => ({ aggregations: { "3": { buckets: [{ key: "web", doc_count: 3, "2": { buckets: [{ key: 1000, doc_count: 1 }, { key: 2000, doc_count: 2 }] } }] } } }));
  const target = { query: "namespace:$ns", metrics: [{ type: "count", id: "1" }], bucketAggs: [{ type: "terms", id: "3", field: "pod", settings: { size: "10", order: "desc", orderBy: "_count" } }, { type: "date_histogram", id: "2", field: "@timestamp", settings: { interval: "auto" } }], datasource: { type: "elasticsearch", uid: "${logs}" } };
  const d = await askPanel(panel({ targets: [target] }), ask());
  expect(asked[0].url.pathname).toBe("/elastic/logs-*/_search");
  expect(asked[0].body).toMatchObject({
    size: 0,
    query: { bool: { filter: [{ range: { "@timestamp": { gte: 1_000_000_007, lte: 1_003_600_007 } } }, { query_string: { query: "namespace:shop" } }] } },
    aggs: { "3": { terms: { field: "pod", size: 10, order: { _count: "desc" } }, aggs: { "2": { date_histogram: { fixed_interval: "5000ms", extended_bounds: { min: 1_000_000_007, max: 1_003_600_007 } } } } } },
  });
  expect(d.series.map((s) => [s.name, s.times, s.values])).toEqual([["web", [1000, 2000], [1, 2]]]);
});

test("the newest lines, with their fields", async () => {
  const asked = stub(() => ({ hits: { hits: [{ _source: { "@timestamp": "2026-01-02T03:04:05Z", message: "hello", labels: { app: "x" }, list: [1, 2] } }] } }));
  const d = await askPanel(panel({ type: "logs", targets: [{ query: "*", metrics: [{ type: "logs", id: "1", settings: { limit: "99999" } }], datasource: { uid: "slipway-logs" } }] }), ask());
  expect(asked[0].body).toMatchObject({ size: 1000, sort: [{ "@timestamp": { order: "desc" } }] });
  expect(d.lines).toEqual([{ time: Date.UTC(2026, 0, 2, 3, 4, 5), text: "hello", fields: [["labels.app", "x"], ["list", "1, 2"]] }]);
});

test("sources by type, name, variable or nothing; another one is named", async () => {
  for (const [source, want] of [[undefined, "prometheus"], [{ type: "", uid: "Slipway logs" }, "elasticsearch"], [{ type: "", uid: "${datasource}" }, "prometheus"], [{ type: "prometheus", uid: "abc" }, "prometheus"], [{ type: "", uid: "${DS_OTHER}" }, "prometheus"], [{ type: "loki", uid: "x" }, "loki"], [{ type: "", uid: "strange" }, "strange"]] as const) {
    expect(kindOf(source, scope), JSON.stringify(source)).toBe(want);
  }
  await expect(askPanel(panel({ datasource: { type: "loki", uid: "x" }, targets: [{ expr: "x" }] }), ask())).rejects.toThrow(NoSource);
  expect([...sources.keys()]).toEqual(["prometheus", "elasticsearch"]);
});

test("a few run at once, and what is called off is not asked", async () => {
  let [running, most, begun] = [0, 0, 0];
  vi.stubGlobal("fetch", async (_: string, init: RequestInit) => {
    begun++;
    most = Math.max(most, ++running);
    await new Promise((ok) => setTimeout(ok, 5));
    running--;
    init.signal?.throwIfAborted();
    return Response.json({ data: { resultType: "vector", result: [] } });
  });
  const p = panel({ targets: [{ expr: "up", instant: true }] });
  await Promise.all(Array.from({ length: 20 }, () => askPanel(p, ask())));
  expect([most, begun]).toEqual([6, 20]);
  const abort = new AbortController();
  const all = Promise.allSettled(Array.from({ length: 20 }, () => askPanel(p, ask({ signal: abort.signal }))));
  abort.abort();
  expect((await all).every((r) => r.status === "rejected")).toBe(true);
  expect(begun).toBeLessThanOrEqual(26); // those that ran already
  await askPanel(p, ask()); // and there is room again
});

test("what happened is marked once for each time it began", async () => {
  stub(() => ({ data: { resultType: "matrix", result: [{ metric: { application: "web", result: "healthy" }, values: [[100, "1"], [130, "1"], [160, "0"], [190, "1"], [1000, "2"]] }] } }));
  const found = await marks({ expr: "x", name: "Releases", title: "", text: "", color: "blue", step: "30s" }, ask());
  expect(found.map((m) => [m.time, m.end, m.title])).toEqual([[100_000, 130_000, "web healthy"], [190_000, 190_000, "web healthy"], [1_000_000, 1_000_000, "web healthy"]]);
  const [first] = await marks({ expr: "x", name: "Releases", title: "{{application}}", text: "{{result}}", color: "blue", step: "30s" }, ask());
  expect(first.title).toBe("web: healthy");
});
