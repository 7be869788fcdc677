// Variables in queries and titles, as Grafana fills them in: $name, ${name}, ${name:format}, [[name]].

export interface Value {
  values: string[];
  texts: string[];
  /** several may be chosen: then a value is a pattern, and its signs are escaped */
  multi: boolean;
  /** what stands for all of them, as it is */
  raw?: string;
  /** the board's author wrote the values, which may be parts of a query */
  authored?: boolean;
}

export type Scope = ReadonlyMap<string, Value>;

export type Format = "prometheus" | "lucene" | "text" | "percentencode";

const pattern = /\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\$\{(\w+)(?:\.[^:}]+)?(?::([^}]+))?\}/g;
const mostLength = 40_000;

/** one value by itself */
export function value(text: string): Value {
  return { values: [text], texts: [text], multi: false, authored: true };
}

const inPattern = (s: string) => s.replace(/[\\^$*+?.()|[\]{}\/]/g, "\\$&");
const quoted = (s: string) => s.replace(/\\/g, "\\\\").replace(/"/g, '\\"');
// In a pattern within quotes of PromQL both escapes are one inside the other.
const inPromPattern = (s: string) => s.replace(/\\/g, "\\\\\\\\").replace(/[$^*{}[\]'+?.()|]/g, "\\\\$&").replace(/"/g, '\\"');
const inLucene = (s: string) => (s.trim() && Number.isFinite(Number(s)) ? s : s.replace(/[!*+\-=<>\s&|()[\]{}^~?:\\/"]/g, "\\$&"));

function joined(list: string[], each: (s: string) => string): string {
  return list.length === 1 ? each(list[0]) : `(${list.map(each).join("|")})`;
}

function write(v: Value, format: string): string {
  const list = v.values;
  switch (format) {
    case "raw":
    case "glob":
      return list.length === 1 ? list[0] : format === "raw" ? list.join(",") : `{${list.join(",")}}`;
    case "csv":
      return list.join(",");
    case "pipe":
      return list.join("|");
    case "regex":
      return joined(list, inPattern);
    case "json":
      return JSON.stringify(list.length === 1 && !v.multi ? list[0] : list);
    case "doublequote":
      return list.map((s) => `"${quoted(s)}"`).join(",");
    case "singlequote":
      return list.map((s) => `'${s.replace(/[\\']/g, "\\$&")}'`).join(",");
    case "sqlstring":
      return list.map((s) => `'${s.replace(/'/g, "''")}'`).join(",");
    case "html":
      return list.join(", "); // what is drawn is text, whatever it has
    case "percentencode":
    case "uriencode":
      return encodeURIComponent(list.join(","));
    case "lucene":
      if (!list.length) return "__empty__";
      return list.length === 1 && !v.multi ? inLucene(list[0]) : `(${list.map((s) => `"${inLucene(s)}"`).join(" OR ")})`;
    case "prometheus":
      if (!list.length) return "";
      if (v.multi) return joined(list, inPromPattern);
      return v.authored ? list[0] : quoted(list[0]);
    case "date":
    case "date:iso":
      return new Date(Number(list[0])).toISOString();
    case "date:seconds":
      return String(Math.floor(Number(list[0]) / 1000));
  }
  return v.texts.join(" + ");
}

/** replace fills in what the scope has; what it does not have stays. */
export function replace(text: string, scope: Scope, format: Format): string {
  const out = text.replace(pattern, (whole: string, plain?: string, brackets?: string, how1?: string, braces?: string, how2?: string) => {
    const v = scope.get(plain ?? brackets ?? braces ?? "");
    if (!v) return whole;
    const how = how1 ?? how2;
    if (v.raw !== undefined && (!how || how === "regex" || how === "raw")) return v.raw;
    return write(v, how ?? format);
  });
  if (out.length > mostLength) throw new Error(`a query of ${out.length} characters, most are ${mostLength}`);
  return out;
}

/** names of the variables that a text uses. */
export function uses(text: string): string[] {
  return [...text.matchAll(pattern)].map((m) => m[1] ?? m[2] ?? m[4]);
}
