// Chromium with the page in it: that of a running server (SLIPWAY_URL and SLIPWAY_TOKEN),
// else of the fixture.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { explain, hide, record } from "./failure";
import { start, token as fixtureToken } from "./fixture";

// How long the tests wait for what has to come: a bound for a failure alone, far above what it
// takes where a whole cluster runs beside the browser.
export const patience = process.env.SLIPWAY_URL ? 180_000 : 20_000;

export const real = process.env.SLIPWAY_URL;

export async function open() {
  let base = real?.replace(/\/$/, "") ?? "";
  let token = process.env.SLIPWAY_TOKEN ?? "";
  let stop = async () => {};
  let asked: string[] = [];
  if (!real) {
    const f = await start(fileURLToPath(new URL("../dist", import.meta.url)));
    base = f.url;
    token = fixtureToken;
    stop = f.stop;
    asked = f.asked;
  }
  const profile = await mkdtemp(join(tmpdir(), "slipway-console-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
    ignoreHTTPSErrors: true,
    locale: "en-US",
    viewport: { width: 1280, height: 900 },
  });
  const page = await context.newPage();
  page.setDefaultTimeout(patience);
  hide(token);
  record(page);
  const faults: string[] = [];
  page.on("pageerror", (e) => faults.push(`error: ${e.message}`));
  page.on("console", (m) => {
    // A refused request is a line of the browser's own; the tests that make one look at the page.
    if (m.type() === "error" && !m.text().includes("Failed to load resource")) faults.push(`console: ${m.text()}`);
  });
  const close = async () => {
    await context.close();
    await stop();
    await rm(profile, { recursive: true, force: true });
  };
  const signIn = () =>
    explain(page, async () => {
      await page.getByLabel("Token").fill(token);
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("button", { name: "Sign out" }).waitFor();
    });
  return { base, token, asked, context, page, faults, signIn, close };
}
