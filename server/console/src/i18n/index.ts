// The language of the page: what was chosen, else what the browser asks for.
import { useEffect, useState } from "preact/hooks";
import { en, type Key } from "./en";
import { zh } from "./zh";

export type Language = "en" | "zh-CN";
const dictionaries: Record<Language, Record<Key, string>> = { en, "zh-CN": zh };
const listeners = new Set<() => void>();

let current: Language = pick(
  typeof localStorage === "undefined" ? null : localStorage.getItem("slipway.language"),
  typeof navigator === "undefined" ? [] : navigator.languages,
);

/** pick the language: a choice wins, then the first of the browser's that is known. */
export function pick(chosen: string | null, browser: readonly string[]): Language {
  for (const l of [chosen, ...browser]) {
    if (l?.toLowerCase().startsWith("zh")) return "zh-CN";
    if (l?.toLowerCase().startsWith("en")) return "en";
  }
  return "en";
}

export function language(): Language {
  return current;
}

export function setLanguage(l: Language): void {
  current = l;
  localStorage.setItem("slipway.language", l);
  document.documentElement.lang = l;
  for (const f of listeners) f();
}

/** t is the text of a key, with {name} filled in from values. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  return dictionaries[current][key].replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole));
}

/** word translates a state if it is a known one, and else shows it as it is. */
export function word(s: string | undefined): string {
  return s && Object.hasOwn(en, s) ? t(s as Key) : (s ?? "");
}

/** useLanguage draws the component again when the language changes. */
export function useLanguage(): Language {
  const [, draw] = useState(0);
  useEffect(() => {
    document.documentElement.lang = current;
    const f = () => draw((n) => n + 1);
    listeners.add(f);
    return () => void listeners.delete(f);
  }, []);
  return current;
}
