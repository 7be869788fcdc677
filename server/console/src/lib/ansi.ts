// Terminal output as text with styles. Nothing here makes markup: a span is text
// and class names, and every other escape sequence is dropped.

export interface Span {
  text: string;
  classes: string;
}

interface Style {
  fg: string;
  bg: string;
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
}

export const plain: Style = { fg: "", bg: "", bold: false, dim: false, italic: false, underline: false };

const names = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

// CSI, OSC, other two-byte escapes; then control characters that show nothing.
const escapes = /\x1b\[([0-9;:?<=>]*)[ -/]*([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\|$)|\x1b[PX^_][^\x1b]*(?:\x1b\\|$)|\x1b[ -/]*[0-~]?/g;
const controls = /[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]/g;
// Characters that turn text around could make a line read as another one.
const bidi = /[\u202a-\u202e\u2066-\u2069]/g;

function classes(s: Style): string {
  const out: string[] = [];
  if (s.fg) out.push(`fg-${s.fg}`);
  if (s.bg) out.push(`bg-${s.bg}`);
  for (const k of ["bold", "dim", "italic", "underline"] as const) if (s[k]) out.push(k);
  return out.join(" ");
}

/** colour 0 to 15 by name; of the 256 the nearest of them, so that both themes stay readable. */
function colour(n: number): string {
  if (n < 8) return names[n];
  if (n < 16) return `bright-${names[n - 8]}`;
  if (n >= 232) return n < 244 ? "bright-black" : "white";
  const c = n - 16;
  return rgb(Math.floor(c / 36) * 51, (Math.floor(c / 6) % 6) * 51, (c % 6) * 51);
}

function rgb(r: number, g: number, b: number): string {
  const high = Math.max(r, g, b);
  if (high < 64) return "bright-black";
  const bit = (v: number) => (v > high / 2 ? 1 : 0);
  const name = names[bit(r) | (bit(g) << 1) | (bit(b) << 2)];
  return high > 200 ? `bright-${name}` : name;
}

function sgr(s: Style, params: string): Style {
  const codes = params === "" ? [0] : params.split(/[;:]/).map((p) => Number(p) || 0);
  let out = { ...s };
  for (let i = 0; i < codes.length; i++) {
    const c = codes[i];
    if (c === 0) out = { ...plain };
    else if (c === 1) out.bold = true;
    else if (c === 2) out.dim = true;
    else if (c === 3) out.italic = true;
    else if (c === 4) out.underline = true;
    else if (c === 22) out.bold = out.dim = false;
    else if (c === 23) out.italic = false;
    else if (c === 24) out.underline = false;
    else if (c >= 30 && c <= 37) out.fg = names[c - 30];
    else if (c === 39) out.fg = "";
    else if (c >= 40 && c <= 47) out.bg = names[c - 40];
    else if (c === 49) out.bg = "";
    else if (c >= 90 && c <= 97) out.fg = `bright-${names[c - 90]}`;
    else if (c >= 100 && c <= 107) out.bg = `bright-${names[c - 100]}`;
    else if (c === 38 || c === 48) {
      let value = "";
      if (codes[i + 1] === 5) {
        value = colour(Math.min(codes[i + 2] ?? 0, 255));
        i += 2;
      } else if (codes[i + 1] === 2) {
        value = rgb(codes[i + 2] ?? 0, codes[i + 3] ?? 0, codes[i + 4] ?? 0);
        i += 4;
      }
      if (c === 38) out.fg = value;
      else out.bg = value;
    }
  }
  return out;
}

/** parse one line that begins in a style; the style at its end begins the next. */
export function parse(line: string, style: Style = plain): { spans: Span[]; style: Style } {
  // A carriage return begins the line again: progress bars show their last state.
  const text = line.replace(/\r+$/, "");
  const kept = text.slice(text.lastIndexOf("\r") + 1);
  const spans: Span[] = [];
  let at = 0;
  const push = (s: string) => {
    const clean = s.replace(controls, "").replace(bidi, "\ufffd");
    if (clean) spans.push({ text: clean, classes: classes(style) });
  };
  for (const m of kept.matchAll(escapes)) {
    push(kept.slice(at, m.index));
    at = m.index + m[0].length;
    if (m[2] === "m") style = sgr(style, m[1]);
  }
  push(kept.slice(at));
  return { spans, style };
}

/** strip gives the text alone, as search sees it. */
export function strip(line: string): string {
  return parse(line).spans.map((s) => s.text).join("");
}
