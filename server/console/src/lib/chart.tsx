// One measured line of an application, with its releases marked on it.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type uPlot from "uplot";
import { language, t } from "../i18n";
import type { Application, Release } from "../types";
import { get, namespace } from "./api";
import { bytes } from "./format";
import { cssColor, Plot, verticals } from "./plot";
import { Problem } from "./ui";

type Measure = "cpu" | "memory";

const ranges = { lastHour: 3600, last6Hours: 6 * 3600, lastDay: 24 * 3600 } as const;
type Range = keyof typeof ranges;

const workloads = new Set(["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "Pod"]);

/** pods is the pattern of the names that the application's pods have; null without any. */
export function pods(app: Application): { namespace: string; pattern: string } | null {
  const mine = (app.status?.inventory ?? []).filter((o) => workloads.has(o.kind));
  if (!mine.length) return null;
  const home = app.spec.namespace || app.metadata.namespace || namespace;
  const names = mine.map((o) => o.name.replace(/[^a-z0-9-]/g, "."));
  return { namespace: mine[0].namespace || home, pattern: `(${names.join("|")})(-.+)?` };
}

export function query(app: Application, measure: Measure): string | null {
  const p = pods(app);
  if (!p) return null;
  const select = `{namespace=${JSON.stringify(p.namespace)},pod=~${JSON.stringify(p.pattern)},container!="",slipway_source=""}`;
  return measure === "cpu"
    ? `sum(rate(container_cpu_usage_seconds_total${select}[2m]))`
    : `sum(container_memory_working_set_bytes${select})`;
}

interface Answer {
  data?: { result?: { values: [number, string][] }[] };
}

async function load(app: Application, measure: Measure, seconds: number, signal: AbortSignal): Promise<uPlot.AlignedData> {
  const q = query(app, measure);
  const end = Math.floor(Date.now() / 1000);
  const start = end - seconds;
  if (!q) return [[start, end], [null, null]];
  const step = Math.max(15, Math.round(seconds / 240));
  const params = new URLSearchParams({ query: q, start: String(start), end: String(end), step: String(step) });
  const a = await get<Answer>(`/prometheus/api/v1/query_range?${params}`, signal);
  const have = new Map((a.data?.result?.[0]?.values ?? []).map(([at, v]) => [Math.round((at - start) / step), Number(v)]));
  const xs: number[] = [];
  const ys: (number | null)[] = [];
  for (let i = 0; start + i * step <= end; i++) {
    xs.push(start + i * step);
    ys.push(have.get(i) ?? null);
  }
  return [xs, ys];
}

/** marks draws one line for each release within the range, red for a failed one. */
function marks(releases: () => Release[]): uPlot.Plugin {
  return {
    hooks: {
      draw: (u) => {
        const all = releases().map((r) => ({
          at: Date.parse(r.status?.startedAt ?? r.metadata.creationTimestamp ?? "") / 1000,
          label: `#${r.spec.number}`,
          color: cssColor(r.status?.result === "Failed" ? "--bad" : "--accent"),
          number: r.spec.number,
        }));
        const shown = verticals(u, all);
        // A canvas tells nobody what is on it.
        const holder = u.root.parentElement;
        if (holder) holder.dataset.deploys = shown.map((v) => v.number).sort((a, b) => a - b).join(" ");
      },
    },
  };
}

function optionsOf(measure: Measure, releases: () => Release[]): Omit<uPlot.Options, "width" | "height"> {
  const value = (v: number) => (measure === "cpu" ? String(Number(v.toPrecision(3))) : bytes(v));
  const axis = { stroke: () => cssColor("--text-soft"), grid: { stroke: () => cssColor("--line"), width: 1 }, ticks: { show: false } };
  const time = new Intl.DateTimeFormat(language(), { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return {
    legend: { show: false },
    cursor: { y: false },
    scales: { y: { range: (_u, _min, max) => [0, max > 0 ? max * 1.15 : 1] } },
    axes: [
      { ...axis, size: 28, values: (_u, v) => v.map((x) => time.format(new Date(x * 1000))) },
      { ...axis, size: 76, values: (_u, v) => v.map(value) },
    ],
    series: [{}, { stroke: () => cssColor("--accent"), width: 2, fill: () => cssColor("--accent-soft"), spanGaps: false }],
    plugins: [marks(releases)],
  };
}

export function Chart({ app, releases }: { app: Application; releases: Release[] }) {
  const [measure, setMeasure] = useState<Measure>("cpu");
  const [range, setRange] = useState<Range>("lastHour");
  const [error, setError] = useState<unknown>();
  const [data, setData] = useState<uPlot.AlignedData>([[], []]);
  const current = useRef(releases);
  current.current = releases;
  const what = pods(app)?.pattern;

  useEffect(() => {
    const abort = new AbortController();
    const refresh = async () => {
      try {
        setData(await load(app, measure, ranges[range], abort.signal));
        setError(undefined);
      } catch (e) {
        if (!abort.signal.aborted) setError(e);
      }
    };
    void refresh();
    const id = window.setInterval(refresh, 15_000);
    return () => {
      abort.abort();
      window.clearInterval(id);
    };
  }, [app.metadata.name, what, measure, range]);
  const options = useMemo(() => optionsOf(measure, () => current.current), [measure, language()]);
  const none = data[0].length > 0 && !(data[1] as (number | null)[]).some((v) => v !== null);

  const label = measure === "cpu" ? t("chartCpu") : t("chartMemory");
  return (
    <section class="panel" data-testid="chart">
      <div class="row tools">
        <div class="row" role="group" aria-label={label}>
          {(["cpu", "memory"] as const).map((m) => (
            <button key={m} type="button" aria-pressed={m === measure} onClick={() => setMeasure(m)}>
              {m === "cpu" ? t("chartCpu") : t("chartMemory")}
            </button>
          ))}
        </div>
        <select aria-label={t("chartRange")} value={range} onChange={(e) => setRange(e.currentTarget.value as Range)}>
          {(Object.keys(ranges) as Range[]).map((r) => (
            <option key={r} value={r}>
              {t(r)}
            </option>
          ))}
        </select>
        <span class="hint">{t("chartDeploys")}</span>
      </div>
      <Problem error={error} />
      {none ? <p class="hint">{t("chartNone")}</p> : null}
      <Plot options={options} data={data} label={label} height={220} over={releases.length} />
    </section>
  );
}
