// Dashboards of the fixture: those that ship, one with everything that the page draws,
// whose author is hostile, and made-up answers of the two data sources.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const shipped = JSON.parse(readFileSync(fileURLToPath(new URL("boards.json", import.meta.url)), "utf8")) as Record<string, { title: string; uid: string; description: string }>;

const panel = (type: string, title: string, x: number, y: number, w: number, h: number, more: object) => ({ type, title, gridPos: { x, y, w, h }, datasource: { type: "prometheus", uid: "${datasource}" }, ...more });
const target = (expr: string, more = {}) => ({ refId: "A", expr, legendFormat: "{{pod}}", ...more });
const steps = { mode: "absolute", steps: [{ value: null, color: "green" }, { value: 0.5, color: "#EAB839" }, { value: 0.8, color: "red" }] };

const legend = (placement: string, more = {}) => ({ legend: { showLegend: true, displayMode: "list", placement, ...more } });
const table = (expr: string) => [target(expr, { instant: true, format: "table" })];
const byName = (options: string, ...properties: object[]) => ({ matcher: { id: "byName", options }, properties });

const twice = [{ id: "organize", options: { excludeByName: { Time: true, job: true, namespace: true, verb: true, application: true } } }, { id: "calculateField", options: { mode: "binary", alias: "Twice", binary: { left: "Value", operator: "*", right: "2" } } }];

/** shares and sizes: pies, bars and counts. */
function shares() {
  return [
    panel("piechart", "A pie", 0, 45, 8, 8, { targets: [target("bars", { instant: true })], options: { pieType: "pie", displayLabels: ["name", "percent"], reduceOptions: { calcs: ["lastNotNull"] }, ...legend("right", { displayMode: "table", values: ["value", "percent"] }) }, fieldConfig: { defaults: { unit: "bytes", color: { mode: "palette-classic" } } } }),
    panel("piechart", "A donut", 8, 45, 8, 8, { targets: table("bars"), options: { pieType: "donut", displayLabels: ["value"], reduceOptions: { calcs: ["lastNotNull"], values: true, fields: "/.*/" }, ...legend("bottom", { values: ["percent"] }) }, fieldConfig: { defaults: { unit: "bytes", thresholds: { mode: "absolute", steps: [{ value: null, color: "green" }, { value: 1e9, color: "orange" }] }, color: { mode: "thresholds" } } } }),
    panel("barchart", "A bar chart", 16, 45, 8, 8, { targets: table("two"), transformations: twice, options: { xField: "pod", showValue: "auto", ...legend("bottom") }, fieldConfig: { defaults: { unit: "percentunit", custom: { thresholdsStyle: { mode: "dashed" } }, thresholds: steps }, overrides: [byName("Twice", { id: "displayName", value: "twice of it" })] } }),
    panel("barchart", "Bars that lie", 0, 53, 8, 8, { targets: table("two"), transformations: twice, options: { orientation: "horizontal", stacking: "percent", showValue: "always", xField: "pod", ...legend("bottom") }, fieldConfig: { defaults: { unit: "s" } } }),
    panel("barchart", "Bars over time", 8, 53, 8, 8, { targets: [target("sales", { interval: "10m" })], options: { stacking: "normal", xTickLabelRotation: -45, ...legend("bottom", { calcs: ["sum"] }) }, fieldConfig: { defaults: { unit: "short", color: { mode: "palette-classic" } } } }),
    panel("histogram", "A histogram", 16, 53, 8, 8, { targets: [target("spread")], options: { bucketCount: 20, combine: true, ...legend("bottom") }, fieldConfig: { defaults: { unit: "ms" } } }),
  ];
}

/** spans: what was when. */
function spans(planted: string) {
  const mappings = [{ type: "value", options: { "0": { text: `down ${planted}`, color: "red" }, "1": { text: "up", color: "green" }, "2": { text: "starting", color: "yellow" } } }];
  return [
    panel("state-timeline", "States", 0, 61, 12, 6, { targets: [target("phases")], options: { mergeValues: true, showValue: "auto", rowHeight: 0.8, ...legend("bottom") }, fieldConfig: { defaults: { mappings, custom: { fillOpacity: 80 } } } }),
    panel("state-timeline", "Between thresholds", 12, 61, 12, 6, { targets: [target("load")], options: { ...legend("bottom") }, fieldConfig: { defaults: { unit: "percentunit", thresholds: steps, color: { mode: "thresholds" } } } }),
    panel("status-history", "A history", 0, 67, 12, 6, { targets: [target("phases", { interval: "2m" })], options: { showValue: "auto", colWidth: 0.9, rowHeight: 0.9, ...legend("bottom") }, fieldConfig: { defaults: { mappings } } }),
    panel("grafana-piechart-panel", "An older pie", 12, 67, 6, 6, { targets: [target("bars")], pieType: "donut", format: "bytes", legendType: "Right side", legend: { show: true, values: true, percentage: true }, valueName: "current" }),
    panel("histogram", "Of each", 18, 67, 6, 6, { targets: [target("spread")], options: { bucketSize: 25, ...legend("bottom") }, fieldConfig: { defaults: { unit: "ms", custom: { fillOpacity: 40 } } } }),
    panel("piechart", "Hostile", 0, 73, 6, 6, { targets: [target("bars", { instant: true })], options: { pieType: { a: 1 }, displayLabels: "name", legend: [1, 2], sort: 7, reduceOptions: "x" }, fieldConfig: { defaults: { color: { mode: "fixed", fixedColor: "url(https://evil.example/)" } } } }),
    panel("barchart", "Bars of harm", 6, 73, 6, 6, { targets: table("two"), options: { groupWidth: -5, barWidth: 1e9, barRadius: 99, xTickLabelRotation: 1e9, xTickLabelMaxLength: -1, xField: "constructor", colorByField: "__proto__", orientation: "auto" }, fieldConfig: { defaults: { min: 5, max: 1, custom: { scaleDistribution: { type: "log", log: 0 }, fillOpacity: 1e9, lineWidth: 1e9 } } } }),
    panel("histogram", "Counts of harm", 12, 73, 6, 6, { targets: [target("spread")], options: { bucketSize: 1e-300, bucketCount: 1e300, bucketOffset: 1e300 } }),
    panel("state-timeline", "Times of harm", 18, 73, 6, 6, { targets: [target("phases")], options: { rowHeight: -1, alignValue: planted, perPage: -1, mergeValues: "x" }, fieldConfig: { defaults: { decimals: 1e9, mappings: [{ type: "value", options: { __proto__: { text: "no" }, "1": { text: planted, color: "url(https://evil.example/)" } } }] } } }),
  ];
}

/** everything is drawn of this one, and none of its words is more than a word. */
export function everything(planted: string) {
  return {
    uid: "everything",
    title: `Everything ${planted}`,
    time: { from: "now-1h", to: "now" },
    refresh: "",
    graphTooltip: 1,
    templating: {
      list: [
        { type: "datasource", name: "datasource", query: "prometheus" },
        { type: "query", name: "namespace", label: `Namespace ${planted}`, query: "label_values(kube_namespace_status_phase, namespace)", sort: 1 },
        { type: "query", name: "pod", multi: true, includeAll: true, query: 'label_values(up{namespace="$namespace"}, pod)', regex: "/^(?<text>.*)$/", current: { value: ["$__all"] } },
        { type: "custom", name: "how", query: "Mean : avg, Most : max", current: { value: "max" } },
        { type: "interval", name: "span", query: "1m,5m,1h", current: { value: "5m" } },
        { type: "textbox", name: "search", query: "*" },
        { type: "constant", name: "fixed", query: "constant value" },
        { type: "adhoc", name: "filters", filters: [{ key: "app", operator: "=", value: `x|${planted}` }] },
        { type: "system", name: "odd" },
      ],
    },
    annotations: { list: [{ name: "Releases", enable: true, iconColor: "blue", expr: 'changes(slipway_releases_total{namespace="$namespace"}[2m]) > 0', titleFormat: "{{application}}" }, { name: "Errors", enable: true, datasource: { type: "elasticsearch", uid: "slipway-logs" }, iconColor: "red", query: "level:error" }, { name: "Of Grafana", datasource: { type: "datasource", uid: "grafana" }, enable: true, type: "tags" }, { builtIn: 1, name: "Annotations & Alerts", datasource: { type: "grafana", uid: "-- Grafana --" }, enable: true, hide: false }] },
    links: [
      { type: "link", title: `Handbook ${planted}`, url: "https://example.org/handbook?ns=$namespace", targetBlank: true },
      { type: "link", title: "A script", url: "javascript:window.planted=1" },
      { type: "link", title: "The cluster", url: "/d/slipway-cluster/cluster", keepTime: true, includeVars: true },
      { type: "link", title: "An unknown one", url: "/d/none-such/x" },
      { type: "dashboards", title: "More of Slipway", tags: ["slipway"], asDropdown: true, keepTime: true },
    ],
    __elements: { known: { name: "kept", uid: "known", model: { type: "stat", title: "Of a library", targets: [target("one", { instant: true })] } } },
    panels: [
      { type: "row", title: "Values", gridPos: { x: 0, y: 0, w: 24, h: 1 } },
      panel("stat", "A stat", 0, 1, 6, 5, { targets: [target("stat")], options: { graphMode: "area", colorMode: "value", reduceOptions: { calcs: ["max"] } }, fieldConfig: { defaults: { unit: "percentunit", thresholds: steps, links: [{ title: "Where from", url: "https://example.org/${__field.name}/${namespace:queryparam}" }] } }, links: [{ title: "About it", url: "/d/slipway-node?${pod:queryparam}" }] }),
      panel("gauge", "A gauge", 6, 1, 6, 5, { targets: [target("gauge", { instant: true })], fieldConfig: { defaults: { unit: "percentunit", min: 0, max: 1, thresholds: steps } } }),
      panel("bargauge", "A bar gauge", 12, 1, 6, 5, { targets: [target("bars", { instant: true })], fieldConfig: { defaults: { unit: "bytes", thresholds: steps } } }),
      panel("stat", "A mapped one", 18, 1, 6, 5, {
        targets: [target("one", { instant: true })],
        options: { colorMode: "background" },
        fieldConfig: { defaults: { mappings: [{ type: "value", options: { "1": { text: `mapped ${planted}`, color: "purple" } } }, { type: "regex", options: { pattern: "(a+)+$", result: { text: "never" } } }] } },
      }),
      panel("timeseries", "Over time by $how in $span", 0, 6, 12, 8, {
        targets: [target('$how by (pod) (rate(x{pod=~"$pod"}[$__rate_interval]))')],
        options: { legend: { displayMode: "table", placement: "bottom", calcs: ["mean", "lastNotNull"] } },
        fieldConfig: { defaults: { unit: "s", custom: { fillOpacity: 20, thresholdsStyle: { mode: "line+area" } }, thresholds: steps }, overrides: [{ matcher: { id: "byRegexp", options: "hello-1.*" }, properties: [{ id: "color", value: { mode: "fixed", fixedColor: "url(https://evil.example/)" } }, { id: "displayName", value: "the first" }] }] },
      }),
      panel("timeseries", "Stacked", 12, 6, 12, 8, { targets: [target("stacked")], fieldConfig: { defaults: { unit: "none", custom: { drawStyle: "bars", fillOpacity: 80, stacking: { mode: "normal", group: "A" } } }, overrides: [{ matcher: { id: "byName", options: "hello-2" }, properties: [{ id: "custom.transform", value: "negative-Y" }, { id: "displayName", value: "${__field.labels.pod} turned" }] }] } }),
      panel("table", "A table", 0, 14, 12, 8, {
        targets: [target("table", { instant: true, format: "table" })],
        transformations: [{ id: "organize", options: { excludeByName: { job: true }, renameByName: { pod: "The pod" } } }, { id: "extractFields", options: {} }],
        fieldConfig: { defaults: { thresholds: steps }, overrides: [{ matcher: { id: "byName", options: "The pod" }, properties: [{ id: "links", value: [{ title: "Its dashboard", url: "/d/slipway-workload/x?var-pod=${__data.fields[\"The pod\"]}&var-namespace=${__data.fields.namespace}&${__url_time_range}" }, { title: "A script", url: "javascript:window.planted=1//${__value.raw}" }] }] }, { matcher: { id: "byName", options: "Value" }, properties: [{ id: "custom.cellOptions", value: { type: "color-background" } }, { id: "unit", value: "percentunit" }] }] },
      }),
      panel("text", "A text", 12, 14, 12, 8, { options: { mode: "markdown", content: `# Words of ${planted}\n\n**bold**, $how, [a page](https://example.org/x), [a script](javascript:window.planted=1), ![a picture](javascript:window.planted=1)\n\n| a | b |\n|---|---|\n| 1 | ~~2~~ |\n\n<script>window.planted=1</script>\n` } }),
      panel("logs", "Lines", 0, 22, 24, 8, { datasource: { type: "elasticsearch", uid: "slipway-logs" }, targets: [{ refId: "A", query: "namespace:$namespace AND (${search:raw})", metrics: [{ type: "logs", id: "1", settings: { limit: "50" } }] }], options: { showTime: true } }),
      panel("geomap", `A map ${planted}`, 0, 30, 8, 6, { targets: [target("map")] }),
      panel("stat", "Elsewhere", 8, 30, 8, 6, { datasource: { type: "loki", uid: "x" }, targets: [{ refId: "A", expr: "rate({a=\"b\"}[1m])" }] }),
      panel("stat", "Wrong", 16, 30, 8, 6, { targets: [target("syntax error")] }),
      panel("heatmap", "A heatmap", 16, 40, 8, 5, { targets: [target("heat", { format: "heatmap" })], options: { yAxis: { unit: "s" } } }),
      { libraryPanel: { uid: "known", name: "kept" }, gridPos: { x: 0, y: 40, w: 8, h: 5 } },
      { libraryPanel: { uid: "other", name: "elsewhere" }, gridPos: { x: 8, y: 40, w: 8, h: 5 } },
      ...shares(),
      ...spans(planted),
      {
        type: "row", title: "Folded", collapsed: true, gridPos: { x: 0, y: 79, w: 24, h: 1 },
        panels: [panel("stat", "Within", 0, 80, 6, 4, { targets: [target("within", { instant: true })] }), panel("stat", "Each $pod", 0, 84, 24, 4, { repeat: "pod", targets: [target('each{pod="$pod"}', { instant: true })] })],
      },
    ],
  };
}

/** board answers /api/v1/dashboards. */
export function board(path: string, source: string | null, planted: string): unknown {
  const all: Record<string, unknown> = { ...shipped, everything: everything(planted) };
  if (path === "/api/v1/dashboards" && source === "repository,configmap") {
    return { items: [{ name: "repo/sales_1", uid: "sales_1", title: `Sales ${planted}`, namespace: "default", repository: "hello", file: "dashboards/sales.json" }], problems: [{ repository: "hello", file: "dashboards/bad.json", line: 3, column: 1, message: `invalid ${planted}` }] };
  }
  if (path === "/api/v1/dashboards") {
    const items = Object.entries(shipped).filter(([name]) => !name.includes("/")).map(([name, b]) => ({ name, title: b.title, description: b.description, uid: b.uid, grafanaUid: b.uid, tags: ["slipway"] }));
    return { items: [...items, { name: "everything", title: `Everything ${planted}`, uid: "everything", grafanaUid: "slipway-everything" }], scrapeSeconds: 30, grafana: "https://grafana.example" };
  }
  return all[path.slice("/api/v1/dashboards/".length)];
}

const pods = (planted: string) => ["hello-1", "hello-2", planted];

/** metrics answers the API of Prometheus. */
export function metrics(path: string, query: URLSearchParams, planted: string): { code: number; body: unknown } {
  const ok = (data: unknown) => ({ code: 200, body: { status: "success", data } });
  if (path.endsWith("/labels")) return ok(["__name__", "app", "pod"]);
  if (path.endsWith("/values")) return ok(path.includes("/pod/") ? pods(planted) : path.includes("/namespace/") ? ["default", "kube-system"] : ["one", "two"]);
  // What a person filters by is in every query.
  const expr = (query.get("query") ?? "").replace(/\{app="[^]*?"\}/g, "");
  if (expr === "syntax error") return { code: 400, body: { status: "error", errorType: "bad_data", error: `parse error ${planted}` } };
  const [from, to, step] = ["start", "end", "step"].map((k) => Number(query.get(k)));
  const marks = expr.startsWith("changes(");
  // What is one figure by its question is one here.
  const single = /^(stat|gauge|one|within|each|sum\(|avg\(|max\(|count\()/.test(expr);
  const metric = (pod: string) => (single ? {} : { pod, namespace: "default", job: "pods", verb: pod, application: "hello" });
  const of = (i: number, x: number) => (expr === "phases" ? [1, 0, 1, 2, 1][Math.floor((x / 420 + i * 1.7) % 5)] : expr === "load" ? 0.55 + 0.4 * Math.sin(x / 500 + i) : expr === "spread" ? 100 + 40 * i + 60 * Math.sin(x * 7.3 + i) * Math.cos(x * 3.1) : expr === "sales" ? Math.round(400 + 300 * Math.sin(x / 900 + i * 2)) : expr === "one" ? 1 : expr === "bars" ? (i + 1) * 7e8 : 0.2 + 0.15 * i + 0.1 * Math.sin(x / 300 + i));
  const names = single || marks ? ["hello-1"] : pods(planted);
  if (path.endsWith("/query_range")) {
    const result = names.map((pod, i) => {
      const values = [];
      for (let x = from; x <= to; x += step) {
        if (marks && Math.abs(x - (from + to) / 2) > step / 2) continue;
        values.push([x, String(of(i, x))]);
      }
      return { metric: metric(pod), values };
    });
    return ok({ resultType: "matrix", result });
  }
  return ok({ resultType: "vector", result: names.map((pod, i) => ({ metric: metric(pod), value: [Number(query.get("time")), String(of(i, 0))] })) });
}

interface Search {
  size: number;
  aggs?: Record<string, { terms?: object; aggs?: Search["aggs"]; date_histogram?: { extended_bounds: { min: number; max: number }; fixed_interval: string } }>;
}

/** lines answers _search. */
export function lines(body: Search, planted: string): unknown {
  if (!body.aggs) {
    const hits = [1, 2, 3].map((n) => ({ _index: "logs-pods-default", _source: { "@timestamp": new Date(Date.now() - n * 240_000).toISOString(), message: `\x1b[31mline ${n}\x1b[0m ${planted}`, namespace: "default", pod: `hello-${n}`, labels: { app: planted } } }));
    return { hits: { hits } };
  }
  const answer = (aggs: NonNullable<Search["aggs"]>): object =>
    Object.fromEntries(
      Object.entries(aggs).map(([id, a]) => {
        if (a.date_histogram) {
          const [{ min, max }, step] = [a.date_histogram.extended_bounds, Number.parseInt(a.date_histogram.fixed_interval)];
          const buckets = [];
          for (let x = Math.ceil(min / step) * step; x <= max; x += step) buckets.push({ key: x, key_as_string: String(x), doc_count: Math.round(5 + 4 * Math.sin(x / 600_000)) });
          return [id, { buckets }];
        }
        return [id, { buckets: pods(planted).map((key) => ({ key, doc_count: 7, ...(a.aggs ? answer(a.aggs) : {}) })) }];
      }),
    );
  return { aggregations: answer(body.aggs) };
}
