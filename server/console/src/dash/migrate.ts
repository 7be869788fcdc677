// Panels as older Grafanas wrote them, read as what Grafana itself turns them into.
import { In } from "./json";

/** migrated is the type, the options and the defaults that stand for an old panel's. */
export function migrated(v: In): { type: string; options: In; defaults: In } {
  const now = { type: v.get("type").str("", 60), options: v.get("options"), defaults: v.get("fieldConfig").get("defaults") };
  switch (now.type) {
    case "graph": {
      const [axis] = v.get("yaxes").list(1);
      const legend = v.get("legend");
      const style = v.get("bars").bool() ? "bars" : v.get("lines").bool(true) ? "line" : "points";
      return {
        type: "timeseries",
        options: In.of({
          legend: {
            showLegend: legend.get("show").bool(true),
            displayMode: legend.get("alignAsTable").bool() ? "table" : "list",
            placement: legend.get("rightSide").bool() ? "right" : "bottom",
            calcs: [["min", "min"], ["max", "max"], ["avg", "mean"], ["current", "lastNotNull"], ["total", "sum"]].filter(([k]) => legend.get("values").bool() && legend.get(k).bool()).map(([, c]) => c),
          },
        }),
        defaults: In.of({
          unit: axis?.get("format").str() ?? "",
          min: axis?.get("min").num(),
          max: axis?.get("max").num(),
          custom: {
            drawStyle: style,
            fillOpacity: (v.get("fill").num() ?? 1) * 10,
            lineWidth: v.get("linewidth").num() ?? 1,
            showPoints: v.get("points").bool() ? "always" : "never",
            spanNulls: v.get("nullPointMode").str() === "connected",
            stacking: { mode: v.get("stack").bool() ? (v.get("percentage").bool() ? "percent" : "normal") : "none", group: "A" },
          },
        }),
      };
    }
    case "singlestat": {
      const colors = v.get("colors").strs(3, 60);
      const limits = v.get("thresholds").str().split(",").map(Number).filter(Number.isFinite);
      const dial = v.get("gauge");
      const calc = new Map([["avg", "mean"], ["current", "lastNotNull"], ["total", "sum"]]).get(v.get("valueName").str("avg")) ?? v.get("valueName").str();
      return {
        type: dial.get("show").bool() ? "gauge" : "stat",
        options: In.of({ reduceOptions: { calcs: [calc] }, graphMode: v.get("sparkline").get("show").bool() ? "area" : "none", colorMode: v.get("colorBackground").bool() ? "background" : v.get("colorValue").bool() ? "value" : "none" }),
        defaults: In.of({
          unit: v.get("format").str(),
          min: dial.get("minValue").num(),
          max: dial.get("maxValue").num(),
          thresholds: { mode: "absolute", steps: v.get("thresholds").str() ? colors.map((color, i) => ({ color, value: i ? (limits[i - 1] ?? null) : null })) : [] },
          mappings: v.get("valueMaps").list(50).map((m) => ({ type: m.get("value").str() === "null" ? "special" : "value", options: m.get("value").str() === "null" ? { match: "null", result: { text: m.get("text").str() } } : Object.fromEntries([[m.get("value").str(), { text: m.get("text").str() }]]) })),
        }),
      };
    }
    case "grafana-piechart-panel": {
      // A plugin, until Grafana had one of its own.
      const legend = v.get("legend");
      const calc = new Map([["avg", "mean"], ["current", "lastNotNull"], ["total", "sum"]]).get(v.get("valueName").str("current")) ?? v.get("valueName").str();
      const on = v.get("legendType").str() === "On graph";
      return {
        type: "piechart",
        options: In.of({
          pieType: v.get("pieType").str("pie"),
          reduceOptions: { calcs: [calc] },
          displayLabels: on ? ["name", ...(legend.get("percentage").bool() ? ["percent"] : [])] : [],
          legend: {
            showLegend: !on && legend.get("show").bool(true),
            displayMode: "table",
            placement: v.get("legendType").str() === "Right side" ? "right" : "bottom",
            values: [["values", "value"], ["percentage", "percent"]].filter(([k]) => legend.get(k).bool()).map(([, x]) => x),
          },
        }),
        defaults: In.of({ unit: v.get("format").str(), decimals: v.get("decimals").num(), color: { mode: "palette-classic" } }),
      };
    }
    case "table-old":
      return { ...now, type: "table" };
    case "text":
      // Its words were beside its type once.
      return now.options.get("content").there ? now : { ...now, options: In.of({ mode: v.get("mode").str("markdown"), content: v.get("content").str("", 20_000) }) };
  }
  return now;
}
