// Regular expressions of dashboards. Whoever wrote one may have meant to stop the page:
// they are run by RE2, in a time that grows with the text and not with its powers.
import type { RE2JS } from "re2js";

let engine: typeof RE2JS | undefined;
const known = new Map<string, RE2JS | null>();

/** ready loads the engine; it is only there for dashboards that have patterns. */
export async function ready(): Promise<void> {
  engine ??= (await import("re2js")).RE2JS;
}

function compiled(text: string): RE2JS | null {
  const have = known.get(text);
  if (have !== undefined) return have;
  const m = /^\/(.*)\/([imsu]*)$/s.exec(text);
  let re: RE2JS | null = null;
  try {
    if (engine) re = engine.compile(m ? m[1] : text, m?.[2].includes("i") ? engine.CASE_INSENSITIVE : 0);
  } catch {
    // no pattern that can be run: nothing matches it
  }
  if (engine) known.set(text, re);
  return re;
}

export interface Match {
  groups: (string | undefined)[];
  named: (name: string) => string | undefined;
}

/** match is the first one of a pattern in a text. */
export function match(pattern: string, text: string): Match | undefined {
  const m = compiled(pattern)?.matcher(text.slice(0, 10_000));
  if (!m?.find()) return undefined;
  return {
    groups: Array.from({ length: m.groupCount() + 1 }, (_, i) => m.group(i) ?? undefined),
    named: (name) => {
      try {
        return m.group(name) ?? undefined;
      } catch {
        return undefined; // there is no such group
      }
    },
  };
}

export function replaceFirst(pattern: string, text: string, by: string): string {
  const m = match(pattern, text);
  if (!m?.groups[0]) return text;
  const filled = by.replace(/\$(\d)/g, (_, n: string) => m.groups[Number(n)] ?? "");
  return text.replace(m.groups[0], () => filled);
}
