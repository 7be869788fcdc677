// Filters that a person adds to every query of a data source: `adhoc` variables.

export interface Filter {
  /** the kind of the data source that it is about */
  kind: string;
  key: string;
  op: string;
  value: string;
}

export const operators = ["=", "!=", "=~", "!~"];

const escaped: [string, string][] = [["|", "__gfp__"], [",", "__gfc__"], ["#", "__gfh__"]];

/** written as Grafana has it in addresses: key|operator|value. */
export function written(key: string, op: string, value: string): string {
  return [key, op, value].map((s) => escaped.reduce((t, [sign, code]) => t.replaceAll(sign, code), s)).join("|");
}

/** read is written turned round; undefined where it is none. */
export function read(text: string): { key: string; op: string; value: string } | undefined {
  const parts = text.split("|").map((s) => escaped.reduce((t, [sign, code]) => t.replaceAll(code, sign), s));
  const [key, op, value] = parts;
  return parts.length === 3 && key && operators.includes(op) ? { key, op, value } : undefined;
}

const quoted = (s: string) => `"${s.replace(/[\\"]/g, "\\$&").replace(/\n/g, "\\n")}"`;
const label = (s: string) => (/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(s) ? s : quoted(s));

// Words of PromQL that are no metrics.
const words = new Set(["and", "or", "unless", "atan2", "bool", "offset", "on", "ignoring", "group_left", "group_right", "by", "without", "inf", "nan", "fill", "fill_left", "fill_right"]);
const lists = new Set(["on", "ignoring", "group_left", "group_right", "by", "without"]);

// What is passed over as it is, a name, a number, or any other sign.
const token = /\s+|#[^\n]*|"(?:\\[^]|[^"\\])*"|'(?:\\[^]|[^'\\])*'|`[^`]*`|\[[^\]]*\]|[a-zA-Z_:][a-zA-Z0-9_:.]*|\d[\w.]*|[^]/g;

/** inPromQL adds matchers to each selector of a query. */
export function inPromQL(query: string, filters: Filter[]): string {
  if (!filters.length) return query;
  const matchers = filters.map((f) => `${label(f.key)}${f.op}${quoted(f.value)}`).join(",");
  const tokens = query.match(token) ?? [];
  const blank = (i: number) => /^(\s|#)/.test(tokens[i] ?? "");
  const after = (i: number) => {
    do i++;
    while (i < tokens.length && blank(i));
    return i;
  };
  let out = "";
  for (let i = 0; i < tokens.length; i++) {
    const t = tokens[i];
    if (t === "{") {
      const from = i;
      while (i + 1 < tokens.length && tokens[i] !== "}") i++;
      const inside = tokens.slice(from + 1, i).join("").trim();
      out += `{${inside}${inside && !inside.endsWith(",") ? "," : ""}${matchers}}`;
    } else if (/^[a-zA-Z_:]/.test(t)) {
      const next = after(i);
      const word = t.toLowerCase();
      if (lists.has(word) && tokens[next] === "(") {
        // Names of labels, up to the end of the list.
        let to = next;
        while (to + 1 < tokens.length && tokens[to] !== ")") to++;
        out += tokens.slice(i, to + 1).join("");
        i = to;
      } else if (words.has(word) || tokens[next] === "(" || tokens[next] === "{" || ["by", "without"].includes(tokens[next]?.toLowerCase() ?? "")) out += t;
      else out += `${t}{${matchers}}`;
    } else out += t;
  }
  return out;
}

/** inLucene adds them to a query string. */
export function inLucene(query: string, filters: Filter[]): string {
  const parts = filters.map((f) => {
    const name = f.key.replace(/[^\w.@]/g, "\\$&");
    const value = f.op.endsWith("~") ? `/${f.value.replace(/\//g, "\\/")}/` : quoted(f.value);
    return `${f.op.startsWith("!") ? "NOT " : ""}${name}:${value}`;
  });
  if (!parts.length) return query;
  return [...(query && query !== "*" ? [`(${query})`] : []), ...parts].join(" AND ");
}
