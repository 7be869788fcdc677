import { chromium } from "playwright-core";
const [base, token, out, ...paths] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", "--disable-quic"] });
const page = await browser.newPage({ viewport: { width: 1400, height: 1000 }, locale: "en-US", colorScheme: process.env.SCHEME ?? "light", ignoreHTTPSErrors: true });
page.setDefaultTimeout(30000);
page.on("pageerror", (e) => console.log("PAGEERROR", e.message));
await page.goto(base + "/");
await page.getByLabel("Token").fill(token);
await page.getByRole("button", { name: "Sign in" }).click();
await page.getByText("live").first().waitFor();
if (process.env.LANG2) await page.getByLabel("Language").selectOption(process.env.LANG2);
for (const p of paths) {
  const [path, name, h] = p.split("@");
  await page.setViewportSize({ width: Number(process.env.WIDTH ?? 1400), height: Number(h ?? 2600) });
  await page.goto(base + path);
  if (path.startsWith("/dashboards/")) {
    await page.locator(".board-panel").first().waitFor();
    for (const b of await page.locator('.board > section > h2 .fold[aria-expanded="false"]').all()) if (process.env.UNFOLD) await b.click();
    await page.waitForTimeout(1500);
    await page.waitForFunction(() => !document.querySelector('.board-panel[data-state="loading"]'), undefined, { timeout: 60000 }).catch(() => console.log("still loading"));
    const states = await page.locator(".board-panel").evaluateAll((l) => l.map((e) => [e.getAttribute("aria-label"), e.dataset.type, e.dataset.state, e.dataset.state === "drawn" || e.dataset.state === "empty" ? (e.querySelector(".note")?.textContent ?? "") : (e.querySelector(".notice,.empty")?.textContent ?? "")]));
    const count = {};
    for (const [, , s] of states) count[s] = (count[s] ?? 0) + 1;
    console.log(name, JSON.stringify(count));
    for (const s of states) if (!["drawn", "unseen"].includes(s[2]) || s[3]) console.log("   ", s.join(" | "));
  } else await page.waitForTimeout(2000);
  await page.screenshot({ path: `${out}/${name}.png`, fullPage: false });
}
await browser.close();
