// How times, durations and names are written.
import { language } from "../i18n";

export function short(commit: string | undefined): string {
  return (commit ?? "").slice(0, 8);
}

export function refName(ref: string): string {
  return ref.replace(/^refs\/(heads|tags)\//, "");
}

/** duration in the two largest units: 850ms, 12s, 3m 5s, 2h 1m, 4d 2h. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms) || ms < 0) ms = 0;
  if (ms < 1000) return `${Math.round(ms)}ms`;
  const s = Math.floor(ms / 1000);
  if (s < 60) return s < 10 ? `${(ms / 1000).toFixed(1)}s` : `${s}s`;
  const m = Math.floor(s / 60);
  if (m < 60) return `${m}m ${s % 60}s`;
  const h = Math.floor(m / 60);
  if (h < 24) return `${h}h ${m % 60}m`;
  return `${Math.floor(h / 24)}d ${h % 24}h`;
}

/** between two times as the API writes them; an open end is now. */
export function span(start: string | undefined, end: string | undefined, now = Date.now()): string {
  if (!start) return "";
  return duration((end ? Date.parse(end) : now) - Date.parse(start));
}

export function ago(time: string | undefined, now = Date.now()): string {
  if (!time) return "";
  const seconds = Math.round((Date.parse(time) - now) / 1000);
  const f = new Intl.RelativeTimeFormat(language(), { numeric: "auto", style: "short" });
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]] as const) {
    if (Math.abs(seconds) >= size) return f.format(Math.trunc(seconds / size), unit);
  }
  return f.format(Math.min(seconds, 0), "second");
}

export function dateTime(time: string | undefined): string {
  if (!time) return "";
  return new Intl.DateTimeFormat(language(), { dateStyle: "medium", timeStyle: "medium" }).format(new Date(time));
}

export function bytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB"];
  let i = 0;
  while (n >= 1024 && i < units.length - 1) {
    n /= 1024;
    i++;
  }
  return `${n >= 100 || i === 0 ? Math.round(n) : n.toFixed(1)} ${units[i]}`;
}

/** What is desired, for people: the commit, or the version of a chart that has none. */
export function valueOf(d?: { commit: string; revision?: string; inputs?: { version?: string } }): string {
  if (!d?.commit) return d?.inputs?.version ?? "";
  const tag = d.revision?.startsWith("refs/tags/") ? d.revision.slice("refs/tags/".length) : "";
  return tag ? `${tag} (${short(d.commit)})` : short(d.commit);
}

/** followed is what of its repository an application follows; empty for the default branch. */
export function followed(s: { branch?: string; tag?: string; semver?: string; commit?: string }): string {
  return s.tag || s.semver || (s.commit ? short(s.commit) : s.branch) || "";
}
