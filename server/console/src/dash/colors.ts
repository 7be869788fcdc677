// Grafana's names of colours, in light and dark. A colour of a dashboard is one of them
// or a hexadecimal or rgb() one, and else none: it gets into the style of an element.

// From super-light to dark.
const hues = new Map([
  ["red", ["#FFA6B0", "#FF7383", "#F2495C", "#E02F44", "#C4162A"]],
  ["orange", ["#FFCB7D", "#FFB357", "#FF9830", "#FF780A", "#FA6400"]],
  ["yellow", ["#FFF899", "#FFEE52", "#FADE2A", "#F2CC0C", "#E0B400"]],
  ["green", ["#C8F2C2", "#96D98D", "#73BF69", "#56A64B", "#37872D"]],
  ["blue", ["#C0D8FF", "#8AB8FF", "#5794F2", "#3274D9", "#1F60C4"]],
  ["purple", ["#DEB6F2", "#CA95E5", "#B877D9", "#A352CC", "#8F3BB8"]],
]);
const shades = ["super-light", "light", "", "semi-dark", "dark"];

// Names of CSS that people write where Grafana's own do not say it.
const plain = new Map([
  ["gray", "#808080"], ["grey", "#808080"], ["white", "#ffffff"], ["black", "#000000"], ["silver", "#c0c0c0"], ["brown", "#a52a2a"], ["pink", "#ffc0cb"], ["cyan", "#00ffff"], ["magenta", "#ff00ff"], ["teal", "#008080"], ["navy", "#000080"],
  ["lime", "#00ff00"], ["olive", "#808000"], ["maroon", "#800000"], ["gold", "#ffd700"], ["violet", "#ee82ee"], ["indigo", "#4b0082"], ["turquoise", "#40e0d0"], ["lightgray", "#d3d3d3"], ["darkgray", "#a9a9a9"], ["lightblue", "#add8e6"], ["darkgreen", "#006400"],
]);

// A name by itself has to be read as text on a white page as well.
const onWhite = new Map([["red", "#C4162A"], ["orange", "#B45309"], ["yellow", "#8A6100"], ["green", "#2E7D32"], ["blue", "#1F60C4"], ["purple", "#8F3BB8"]]);

/** palette of series that have no colour of their own. */
const palette = ["#73BF69", "#F2CC0C", "#8AB8FF", "#FF780A", "#F2495C", "#5794F2", "#B877D9", "#705DA0", "#37872D", "#FADE2A", "#447EBC", "#C15C17", "#890F02", "#0A437C", "#6D1F62", "#584477", "#B7DBAB", "#F4D598", "#70DBED", "#F9BA8F"];
const paletteOnWhite = ["#37872D", "#C08A00", "#3274D9", "#D9480F", "#C4162A", "#1F60C4", "#8F3BB8", "#705DA0", "#56A64B", "#9A7B00", "#447EBC", "#A34A00", "#890F02", "#0A437C", "#6D1F62", "#584477", "#3F7F3A", "#8A6100", "#0B7285", "#B45309"];

export function dark(): boolean {
  if (typeof document === "undefined") return false;
  const t = document.documentElement.getAttribute("data-theme");
  return t ? t === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** color of a name, Grafana's or of CSS, or a value; undefined if it is neither. */
export function color(name: string): string | undefined {
  if (name === "transparent") return "transparent";
  if (name === "text") return dark() ? "#e6edf3" : "#1f2328";
  if (/^#[0-9a-f]{3,8}$/i.test(name)) return name;
  if (/^rgba?\([\d.,%\s/]{1,40}\)$/.test(name)) return name;
  const known = plain.get(name);
  if (known) return known;
  const m = /^(?:(super-light|light|semi-dark|dark)-)?([a-z]+)$/.exec(name);
  const hue = m && hues.get(m[2]);
  if (!m || !hue) return undefined;
  if (!m[1] && !dark()) return onWhite.get(m[2]);
  return hue[shades.indexOf(m[1] ?? "")];
}

export function ofPalette(i: number): string {
  const p = dark() ? palette : paletteOnWhite;
  return p[i % p.length];
}

/** onTop is black or white, whichever can be read on a colour. */
export function onTop(c: string): string {
  const m = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})/i.exec(c);
  if (!m) return "#fff";
  const [r, g, b] = m.slice(1).map((x) => (Number.parseInt(x, 16) / 255) ** 2.2);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.3 ? "#1f2328" : "#fff";
}

/** faded is a colour with an opacity from 0 to 1. */
export function faded(c: string, opacity: number): string {
  const m = /^#([0-9a-f]{6})$/i.exec(c);
  if (!m) return c;
  return c + Math.round(Math.min(1, Math.max(0, opacity)) * 255).toString(16).padStart(2, "0");
}

/** scales that a value is looked up on. */
const scales = new Map([
  ["continuous-GrYlRd", ["#37872D", "#E0B400", "#C4162A"]],
  ["continuous-RdYlGr", ["#C4162A", "#E0B400", "#37872D"]],
  ["continuous-BlYlRd", ["#1F60C4", "#E0B400", "#C4162A"]],
  ["continuous-YlRd", ["#E0B400", "#C4162A"]],
  ["continuous-BlPu", ["#1F60C4", "#8F3BB8"]],
  ["continuous-YlBl", ["#E0B400", "#1F60C4"]],
  ["continuous-blues", ["#8AB8FF", "#1F60C4"]],
  ["continuous-reds", ["#FF7383", "#C4162A"]],
  ["continuous-greens", ["#96D98D", "#37872D"]],
  ["continuous-purples", ["#CA95E5", "#8F3BB8"]],
]);

/** onScale mixes the two colours of a scale that a share from 0 to 1 is between. */
export function onScale(mode: string, share: number): string | undefined {
  const stops = scales.get(mode);
  if (!stops) return undefined;
  const at = Math.min(1, Math.max(0, share)) * (stops.length - 1);
  const i = Math.min(stops.length - 2, Math.floor(at));
  const part = (hex: string, n: number) => Number.parseInt(hex.slice(1 + n * 2, 3 + n * 2), 16);
  const mixed = [0, 1, 2].map((n) => Math.round(part(stops[i], n) + (part(stops[i + 1], n) - part(stops[i], n)) * (at - i)));
  return `#${mixed.map((n) => n.toString(16).padStart(2, "0")).join("")}`;
}
