// What the page was like when a test failed: whoever reads the log of a failed run was not
// there to look. Tokens are never part of it.
import type { Page, Response } from "playwright-core";
import { beforeEach } from "vitest";

const most = 12;
const refused = new WeakMap<Page, string[]>();
const secrets = new Set<string>();

/** hide keeps a token out of what is printed. */
export function hide(token: string): void {
  if (token) secrets.add(token);
}

function masked(text: string): string {
  let out = text;
  for (const s of secrets) out = out.replaceAll(s, "*****");
  return out.replace(/\bslw_\w+/g, "*****").replace(/\beyJ[\w-]+\.[\w-]+\.[\w-]+/g, "*****").replace(/((?:token|secret|password)"?\s*[=:]\s*"?)[^\s"&,}]+/gi, "$1*****");
}

const pathOf = (url: string) => {
  const u = new URL(url);
  return decodeURIComponent(u.pathname + u.search).slice(0, 300);
};

async function answer(r: Response): Promise<string> {
  // What signing in answers is nobody's to read.
  if (/\/(session|login|tokens?)\b/.test(r.url())) return "";
  return (await r.text().catch((e: unknown) => String(e))).slice(0, 500);
}

/** record remembers the last requests of a page that were refused, or got no answer. */
export function record(page: Page): void {
  const list: string[] = [];
  refused.set(page, list);
  const add = (line: string) => {
    list.push(`${new Date().toISOString().slice(11, 23)} ${masked(line)}`);
    if (list.length > most) list.shift();
  };
  page.on("response", (r) => {
    if (r.status() >= 400) void answer(r).then((body) => add(`${r.status()} ${r.request().method()} ${pathOf(r.url())} ${body}`));
  });
  page.on("requestfailed", (r) => {
    const why = r.failure()?.errorText ?? "";
    if (why !== "net::ERR_ABORTED") add(`${why} ${r.method()} ${pathOf(r.url())}`); // the page calls many off
  });
}

/** told is the page in words. */
export async function told(page: Page): Promise<string> {
  const seen = await page
    .evaluate(() => {
      const text = (e: Element) => (e.textContent ?? "").trim().replace(/\s+/g, " ").slice(0, 300);
      const all = (selector: string) => [...document.querySelectorAll<HTMLElement>(selector)].filter((e) => e.offsetParent !== null);
      return {
        title: all("h1").map(text).join(" / "),
        notices: all("[role=alert], .notice, dialog[open]").map((e) => `${e.closest(".board-panel")?.getAttribute("aria-label") ?? ""} ${text(e)}`.trim()),
        panels: all('.board-panel:not([data-state="drawn"], [data-state="unseen"])').map((e) => `${e.getAttribute("aria-label")} ${e.dataset.state}`),
        jobs: all(".node[data-job]").map((e) => `${e.dataset.job} ${[...e.classList].find((c) => c.startsWith("is-"))?.slice(3) ?? "?"}`),
      };
    })
    .catch((e: unknown) => ({ title: `cannot be read: ${String(e)}`, notices: [], panels: [], jobs: [] }));
  const lines = [`page ${page.url()} ${seen.title}`];
  for (const [name, list] of [["notice", seen.notices], ["panel", seen.panels], ["job", seen.jobs]] as const) for (const l of list.slice(0, 30)) lines.push(`  ${name}: ${l}`);
  for (const l of refused.get(page) ?? []) lines.push(`  request: ${l}`);
  return masked(lines.join("\n"));
}

/** explained has every test of a file say what the page was like, should it fail. */
export function explained(page: () => Page | undefined): void {
  beforeEach(({ onTestFailed }) => {
    onTestFailed(async ({ task }) => {
      const p = page();
      if (p) console.error(`${task.name} failed on ${await told(p)}`);
    });
  });
}

/** explain does a step of many tests' preparation, and says what the page was like if it fails. */
export async function explain(page: Page, step: () => Promise<unknown>): Promise<void> {
  try {
    await step();
  } catch (e) {
    console.error(`failed on ${await told(page)}`);
    throw e;
  }
}
