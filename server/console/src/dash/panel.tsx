// One panel: asked for while somebody sees it, drawn by its type, and honest about what
// it does not draw.
import type { FunctionComponent } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { t } from "../i18n";
import type { Filter } from "./adhoc";
import { askPanel, NoSource } from "./ask";
import { type Data, empty, none } from "./data";
import { replace, type Scope } from "./interpolate";
import { destinations, type Known } from "./links";
import { library, type Panel } from "./model";
import { BarChart } from "./panels/barchart";
import type { Drawing } from "./panels/context";
import { Heatmap } from "./panels/heatmap";
import { Histogram } from "./panels/histogram";
import { Leading } from "./panels/leads";
import { Lines } from "./panels/lines";
import { PieChart } from "./panels/pie";
import { StateTimeline, StatusHistory } from "./panels/spans";
import { TablePanel } from "./panels/table";
import { TextPanel } from "./panels/text";
import { mostLines, TimeSeries } from "./panels/timeseries";
import { BarGauge, Gauge, Stat } from "./panels/values";
import type { Mark } from "./prom";
import { duration, type Range } from "./time";
import { transform } from "./transform";

/** drawn are the types of panels that the page draws. */
export const drawn = new Map<string, FunctionComponent<Drawing>>([
  ["timeseries", TimeSeries],
  ["stat", Stat],
  ["gauge", Gauge],
  ["bargauge", BarGauge],
  ["table", TablePanel],
  ["logs", Lines],
  ["text", TextPanel],
  ["heatmap", Heatmap],
  ["piechart", PieChart],
  ["barchart", BarChart],
  ["histogram", Histogram],
  ["state-timeline", StateTimeline],
  ["status-history", StatusHistory],
]);

const unasked = new Set(["text"]);

export interface Around {
  range: Range;
  scope: Scope;
  scrape: number;
  marks: Mark[];
  utc: boolean;
  crosshair: boolean;
  /** what somebody filters by, and what links may lead to */
  filters: Filter[];
  known: Known;
  zoom: (from: number, to: number) => void;
  /** where Grafana draws the panel; undefined without one */
  elsewhere: (panel: Panel) => string | undefined;
}

/** rangeOf a panel that has a time of its own, or is moved back. */
export function rangeOf(panel: Panel, range: Range, scope: Scope): Range {
  const span = duration(replace(panel.timeFrom, scope, "text"));
  const back = duration(replace(panel.timeShift, scope, "text"));
  return { from: (span ? range.to - span : range.from) - back, to: range.to - back };
}

interface State {
  data: Data;
  busy: boolean;
  error?: unknown;
}

/** useData asks again when the time or a variable is another one, and takes back what it asked before. */
function useData(panel: Panel, around: Around, seen: boolean, width: number): State {
  const [state, set] = useState<State>({ data: none, busy: true });
  const able = drawn.has(panel.type) && !unasked.has(panel.type);
  const done = useRef<unknown[]>([]);
  useEffect(() => {
    const question = [panel, around.range, around.scope, around.filters];
    // Who scrolls away and back again finds what there was.
    if (!seen || !able || question.every((q, i) => q === done.current[i])) return;
    const abort = new AbortController();
    const points = Math.min(2000, Math.max(50, panel.maxDataPoints ?? Math.round(width / 50) * 50));
    set((s) => ({ ...s, busy: true }));
    askPanel(panel, { range: rangeOf(panel, around.range, around.scope), points, scrape: around.scrape, least: panel.interval, scope: around.scope, filters: around.filters, signal: abort.signal })
      .then((data) => transform(panel, data))
      .then(
        (data) => {
          if (abort.signal.aborted) return;
          done.current = question;
          set({ data, busy: false });
        },
        (error: unknown) => abort.signal.aborted || set({ data: none, busy: false, error }),
      );
    return () => abort.abort();
  }, [panel, around.range, around.scope, around.filters, around.scrape, seen, able]);
  return state;
}

/** noteOf is a note in words. */
function noteOf(note: string): string {
  const [kind, name] = [note.slice(0, note.indexOf(":")), note.slice(note.indexOf(":") + 1)];
  if (kind === "transformation") return t("noTransformation", { name });
  if (kind === "unknown") return t("noAggregation", { name });
  return t("moreSeries");
}

function Elsewhere({ href }: { href: string | undefined }) {
  return href ? (
    <p>
      <a href={href} target="_blank" rel="noopener noreferrer">
        {t("openInGrafana")}
      </a>
    </p>
  ) : null;
}

export function PanelView({ panel, around }: { panel: Panel; around: Around }) {
  const box = useRef<HTMLElement>(null);
  const [seen, setSeen] = useState<boolean>(); // unknown at first
  useEffect(() => {
    if (!box.current) return;
    const watch = new IntersectionObserver((list) => setSeen(list.at(-1)?.isIntersecting ?? false), { rootMargin: "200px" });
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  const { data, busy, error } = useData(panel, around, seen ?? false, box.current?.clientWidth ?? 600);
  const title = replace(panel.title, around.scope, "text");
  const about = replace(panel.about, around.scope, "text");
  const Body = drawn.get(panel.type);
  const links = destinations(panel.links, around.scope, around.range, around.known);
  const drawing: Drawing = useMemo(
    () => ({ panel: { ...panel, title }, data, range: rangeOf(panel, around.range, around.scope), scope: around.scope, marks: around.marks, utc: around.utc, crosshair: around.crosshair, known: around.known, zoom: around.zoom }),
    [panel, title, data, around],
  );
  const asks = !unasked.has(panel.type);
  const nothing = asks && empty(data);
  const notes = [...data.notes.map(noteOf), ...(panel.type === "timeseries" && data.series.length > mostLines ? [t("moreSeries")] : [])];
  const state = !Body ? "unknown" : error ? "error" : asks && busy && nothing ? (seen === false ? "unseen" : "loading") : nothing ? "empty" : "drawn";
  const { x, y, w, h } = panel.grid;
  return (
    <section ref={box} class={`board-panel is-${panel.type.replace(/\W/g, "")}`} aria-label={title} data-state={state} data-type={panel.type} style={{ "--x": x + 1, "--y": y + 1, "--w": w, "--h": h }}>
      {title || links.length ? (
        <h3 title={about || undefined}>
          {title}
          {about ? <span class="about" aria-hidden="true">i</span> : null} <Leading links={links} />
        </h3>
      ) : null}
      {notes.length ? <p class="hint note">{[...new Set(notes)].join(" ")}</p> : null}
      <div class="body">
        {!Body ? (
          <div class="empty">
            {panel.type === library ? t("ofLibrary", { name: panel.title }) : t("cannotDraw", { type: panel.type || "?" })}
            <Elsewhere href={around.elsewhere(panel)} />
          </div>
        ) : error ? (
          <div class="notice bad" role="alert">
            {error instanceof NoSource ? t("noSource", { type: error.kind }) : error instanceof Error ? error.message : String(error)}
            {error instanceof NoSource ? <Elsewhere href={around.elsewhere(panel)} /> : null}
          </div>
        ) : state === "loading" || state === "unseen" ? (
          <p class="empty">{t("loading")}</p>
        ) : nothing ? (
          <p class="empty">{replace(panel.defaults.get("noValue").str(), around.scope, "text") || t("noData")}</p>
        ) : (
          <Body {...drawing} />
        )}
      </div>
    </section>
  );
}
