// Links that lead to exactly the lines of a run, a job, a release or a pod.
import { t } from "../i18n";
import { type Range, ranges, type When } from "./logrows";
import { Link } from "./router";

/** Of says whose lines; what is not given does not matter. */
export interface Of {
  run?: string;
  job?: string;
  release?: string;
  pod?: string;
  commit?: string;
}

/**
 * ofJob is whose lines a job's are. They carry its label, which is its name where that is
 * one; those of a job with another name are found by its run and its time.
 */
export function ofJob(run: string, job: string): Of {
  return /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/.test(job) ? { run, job } : { run };
}

/** around moves a time by seconds; lines may come a little before and after what they belong to. */
export function around(time: string | undefined, seconds: number): string | undefined {
  const at = Date.parse(time ?? "");
  return Number.isNaN(at) ? undefined : new Date(at + seconds * 1000).toISOString();
}

/** linesOf is the address of the lines; without a start it is those of the last month. */
export function linesOf(of: Of, start?: string, end?: string): string {
  const query = Object.entries(of)
    .filter(([, v]) => v)
    .map(([field, v]) => `${field}:=${JSON.stringify(v)}`)
    .join(" ");
  const params = new URLSearchParams({ query, start: start ?? new Date(Date.now() - 30 * 24 * 3600_000).toISOString(), ...(end ? { end } : {}) });
  return `/logs?${params}`;
}

/** whenOf is the range in an address: one that ends now, or one between two times, if there is a whole one. */
export function whenOf(params: URLSearchParams): When | undefined {
  const start = params.get("start") ?? "";
  const end = params.get("end") ?? "";
  const last = params.get("last") ?? "";
  if (Object.hasOwn(ranges, last)) return last as Range;
  const time = (s: string) => !Number.isNaN(Date.parse(s)) && !s.includes("/");
  return time(start) && (!end || time(end)) ? `${start}/${end}` : undefined;
}

export function LinesLink({ of, start, end }: { of: Of; start?: string; end?: string }) {
  return <Link href={linesOf(of, start, end)}>{t("linesLink")}</Link>;
}
