// A uPlot as a component: made anew when its options are others, given data when that
// changes, as large as its box, and drawn again when light becomes dark.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { onTheme } from "./theme";

export function cssColor(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export interface Vertical {
  /** seconds */
  at: number;
  label: string;
  color: string;
}

/** verticals draws a dashed line with a name at each time in view, and says which are. */
export function verticals<V extends Vertical>(u: uPlot, list: V[]): V[] {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.font = `${11 * devicePixelRatio}px sans-serif`;
  ctx.textAlign = "left";
  ctx.textBaseline = "alphabetic";
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
  const shown = list.filter((v) => v.at >= (u.scales.x.min ?? 0) && v.at <= (u.scales.x.max ?? 0));
  let free = -Infinity; // names do not lie on one another
  for (const v of [...shown].sort((a, b) => a.at - b.at)) {
    const x = u.valToPos(v.at, "x", true);
    ctx.strokeStyle = ctx.fillStyle = v.color;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    const [width, room] = [ctx.measureText(v.label).width, 3 * devicePixelRatio];
    const begin = x + room + width > bbox.left + bbox.width ? x - room - width : x + room;
    if (begin < free) continue;
    ctx.fillText(v.label, begin, bbox.top + 11 * devicePixelRatio);
    free = begin + width + 2 * room;
  }
  ctx.restore();
  return shown;
}

export interface PlotProps {
  options: Omit<uPlot.Options, "width" | "height">;
  data: uPlot.AlignedData;
  label: string;
  class?: string;
  /** without it, the plot is as high as its box */
  height?: number;
  /** something is drawn over the data that changed when this did */
  over?: unknown;
  made?: (u: uPlot | undefined) => void;
}

export function Plot({ options, data, label, class: name = "chart", height, over, made }: PlotProps) {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>();
  useEffect(() => {
    const parent = holder.current;
    if (!parent) return;
    const size = () => ({ width: parent.clientWidth || 600, height: height ?? Math.max(60, parent.clientHeight || 220) });
    const u = new uPlot({ ...options, ...size() }, data, parent);
    plot.current = u;
    made?.(u);
    const seen = new ResizeObserver(() => u.setSize(size()));
    seen.observe(parent);
    const forget = onTheme(() => u.redraw(false, true));
    return () => {
      forget();
      seen.disconnect();
      u.destroy();
      plot.current = undefined;
      made?.(undefined);
    };
  }, [options, height]);
  const first = useRef(true);
  useEffect(() => {
    if (!first.current) plot.current?.setData(data);
    first.current = false;
  }, [data]);
  useEffect(() => plot.current?.redraw(false), [over]);
  return <div ref={holder} class={name} role="img" aria-label={label} />;
}
