// The page in real Chromium. Without SLIPWAY_URL it runs against the fixture beside
// it; with SLIPWAY_URL and SLIPWAY_TOKEN against a running server, which must have
// an application with two healthy releases and one finished run.
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { open, patience, real } from "./browser";
import { explained } from "./failure";

let base = "";
let close = async () => {};
let asked: string[] = []; // of the fixture
let context: BrowserContext;
let page: Page;
let faults: string[] = [];

interface Named {
  metadata: { name: string };
}

async function api<T>(path: string): Promise<T> {
  const res = await context.request.get(`${base}/api/v1/namespaces/default/${path}`);
  expect(res.status(), path).toBe(200);
  return (await res.json()) as T;
}

beforeAll(async () => {
  const opened = await open();
  ({ base, asked, context, page, faults, close } = opened);
  await page.goto(`${base}/`);
  await page.getByLabel("Token").fill("not-a-token");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("This token is not accepted.").waitFor();
  await opened.signIn();
});

afterAll(() => close());
explained(() => page);

beforeEach(() => {
  faults.length = 0;
});

afterEach(async () => {
  expect(faults).toEqual([]);
  expect(await page.evaluate(() => "planted" in window)).toBe(false);
});

test("every page opens, live", async () => {
  await page.getByText("live", { exact: true }).waitFor();
  for (const name of ["Repositories", "Runs", "Applications", "Dashboards", "Logs", "Status", "Overview"]) {
    await page.getByRole("navigation").getByRole("link", { name, exact: true }).click();
    await page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
  }
  await page.goto(`${base}/nothing-here`);
  await page.getByText("There is nothing at this address.").waitFor();
});

test("a repository says how to clone it and push to it", async () => {
  const { items } = await api<{ items: Named[] }>("repositories");
  const name = items[0].metadata.name;
  await page.goto(`${base}/repositories/${name}`);
  await page.getByText(`git clone ${base}/git/${name}.git`).waitFor();
});

test("a repository is read: tree, file, history, commit, by keyboard and by address", async () => {
  const name = process.env.SLIPWAY_APP ?? (await api<{ items: Named[] }>("repositories")).items[0].metadata.name;
  await page.goto(`${base}/repositories/${name}`);
  await page.getByRole("link", { name: "Files", exact: true }).click();
  await page.getByRole("table", { name: "Files" }).getByRole("link", { name: "deploy" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: "web.yaml" }).click();
  await page.locator(".code li", { hasText: "kind: Deployment" }).first().waitFor();
  await page.reload(); // a view has an address
  await page.locator(".code li", { hasText: "kind: Deployment" }).first().waitFor();
  expect(await page.getByRole("link", { name: "Download" }).getAttribute("href")).toContain("/raw?ref=&path=deploy%2Fweb.yaml");
  await page.getByRole("link", { name: "History" }).click();
  await page.getByRole("table", { name: "History" }).getByRole("link").first().click();
  await page.getByText(/files changed/).first().waitFor();
  await page.locator(".diff tr.added").first().waitFor();
  await page.getByRole("navigation").getByRole("link", { name: "Repositories", exact: true }).waitFor();
  await page.setViewportSize({ width: 360, height: 740 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  if (process.env.BROWSE_PICTURE) await page.screenshot({ path: `${process.env.BROWSE_PICTURE}-phone.png` });
  await page.setViewportSize({ width: 1280, height: 900 });
  if (process.env.BROWSE_PICTURE) await page.screenshot({ path: process.env.BROWSE_PICTURE });
});

test("a run shows its graph, and a job its log; by keyboard too", async () => {
  const { items } = await api<{ items: (Named & { status?: { jobs?: { name: string; attempt?: number; finishedAt?: string }[] } })[] }>("runs");
  const run = items.find((r) => (r.status?.jobs ?? []).length > 1 && r.status?.jobs?.some((j) => j.finishedAt)) ?? items.find((r) => r.status?.jobs?.some((j) => j.finishedAt));
  const job = run?.status?.jobs?.find((j) => j.finishedAt);
  if (!run || !job) throw new Error("no run with a finished job on this server");
  await page.goto(`${base}/runs`);
  await page.getByRole("table", { name: "Runs" }).waitFor();
  await page.goto(`${base}/runs/default/${run.metadata.name}`); // as git push prints it
  const node = page.locator(`.node[data-job="${job.name}"]`);
  await node.focus();
  await page.keyboard.press("Enter");
  await page.waitForURL((u) => u.searchParams.get("job") === job.name);
  await page.getByRole("heading", { level: 2, name: job.name }).waitFor();
  await page.locator(".lines li").first().waitFor();
  expect(await page.locator(".lines li").count()).toBeLessThan(200);
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "Download" }).click();
  expect((await download).suggestedFilename()).toBe(`${run.metadata.name}-${job.name}.log`);
});

// A server's test pushes a repository for this, whose second run breaks a test.
test.runIf(real && process.env.SLIPWAY_RUN)("a run of a server: live log, tests, comparison, files, verbs of jobs and runs", async () => {
  const run = process.env.SLIPWAY_RUN ?? "";
  await page.goto(`${base}/runs/default/${run}?job=slow`);
  await page.getByText("line 1", { exact: true }).waitFor();
  await page.locator('.node[data-job="slow"].is-Running').waitFor(); // its log grows meanwhile
  await page.getByText("line 4", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Cancel job" }).click();
  await page.locator('.node[data-job="slow"].is-Canceled').waitFor();
  await page.goto(`${base}/runs/${run}?job=unit`);
  await page.getByText("1 of 2 tests failed").first().waitFor();
  const tests = page.getByRole("table", { name: "Tests" });
  expect(await tests.locator("tbody tr").first().textContent()).toContain("3 is not 4");
  await page.locator("summary", { hasText: "Artifacts" }).click();
  const file = page.getByRole("table", { name: "Artifacts" }).getByRole("link", { name: "out/made.txt" });
  const saved = page.waitForEvent("download");
  await file.click();
  expect((await saved).suggestedFilename()).toBe("made.txt");
  await page.goto(`${base}/runs/${run}?job=gate`);
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await page.locator('.node[data-job="gate"].is-Succeeded').waitFor();
  await page.getByText("started by admin").waitFor();
  const compared = page.getByRole("region", { name: /^Compared with/ });
  await compared.getByText("coverage 80.00 %, before 75.50 %").waitFor();
  await compared.getByText(/^Broken by this run/).waitFor();
  await compared.getByText("pays").first().waitFor();
  await page.goto(`${base}/runs/${run}?job=slow`);
  await page.getByRole("button", { name: "Try again" }).click();
  await page.locator('.node[data-job="slow"].is-Running').waitFor();
  await page.getByRole("button", { name: "Cancel run" }).click();
  await page.locator('.node[data-job="slow"].is-Canceled').waitFor();
  await page.getByText(/actions by people/).click();
  await page.getByText(/admin: play gate/).waitFor();
  await page.getByRole("button", { name: "Run again" }).click();
  await page.waitForURL((u) => u.pathname.startsWith("/runs/") && u.pathname !== `/runs/${run}`);
  await page.getByRole("button", { name: "Cancel run" }).click();
  await page.getByRole("button", { name: "Run again" }).waitFor();
});

test.runIf(real && process.env.SLIPWAY_RUN)("a run by hand with variables and inputs: delayed and careful jobs, what failed again, from a job on", async () => {
  const repository = (process.env.SLIPWAY_RUN ?? "").replace(/-\d+(-r\d+)?$/, "");
  const node = (job: string, phase: string) => page.locator(`.node[data-job="${job}"].is-${phase}`).waitFor();
  await page.goto(`${base}/repositories/${repository}`);
  const form = page.locator("details", { hasText: "Start a run by hand" });
  await form.locator("summary").click();
  await form.getByText("Where it goes").waitFor();
  await form.getByLabel("TARGET").selectOption("staging");
  await form.getByLabel("count").fill("7");
  await form.getByLabel("Variables").fill("MORE=of it");
  await form.getByRole("button", { name: "Run", exact: true }).click();
  await page.waitForURL((u) => u.pathname.startsWith("/runs/"));
  const run = page.url().replace(/\?.*$/, "");
  await page.goto(`${run}?job=say`);
  await page.getByText("target is staging, count is 7, more of it", { exact: true }).waitFor();
  await page.goto(`${run}?job=later`);
  await page.getByRole("button", { name: "Do not start" }).click();
  await page.locator("section.job .hint", { hasText: "waits for a person" }).waitFor();
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await node("later", "Succeeded");
  await page.goto(`${run}?job=careful`);
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await page.getByRole("dialog").getByText("Really?").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Approve and start" }).click();
  await node("careful", "Succeeded");
  await page.locator("section.job .hint", { hasText: "approved by admin" }).waitFor();
  await node("slow", "Running");
  await page.getByRole("button", { name: "Cancel run" }).click();
  await node("slow", "Canceled");
  await page.getByRole("button", { name: "Run what failed again" }).click();
  await node("slow", "Running");
  await node("say", "Succeeded"); // what did not fail is left as it is
  await page.getByRole("button", { name: "Cancel run" }).click();
  await node("slow", "Canceled");
  await page.goto(`${run}?job=say`);
  await page.getByRole("button", { name: "Run from here" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Run from here" }).click();
  await page.getByRole("combobox", { name: "Attempts" }).waitFor();
  await node("say", "Succeeded");
  await page.getByText(/actions by people/).click();
  await page.getByText(/admin: unplay later/).first().waitFor();
  await page.getByText(/admin: approve careful/).first().waitFor();
});

test("an application: chart, history, rollback that asks first, unpin", async () => {
  const { items } = await api<{ items: Named[] }>("applications");
  const wanted = process.env.SLIPWAY_APP ?? (real ? items[0].metadata.name : "hello");
  await page.goto(`${base}/applications/${wanted}`);
  await page.getByTestId("chart").locator("canvas").waitFor();
  // Every release of the last hour is marked on it.
  const { items: releases } = await api<{ items: { spec: { number: number } }[] }>(`applications/${wanted}/releases`);
  expect(releases.length).toBeGreaterThan(1);
  const numbers = releases.map((r) => r.spec.number).sort((a, b) => a - b);
  await page.locator(`.chart[data-deploys="${numbers.join(" ")}"]`).waitFor();
  // The README's picture.
  if (process.env.CONSOLE_PICTURE) await page.screenshot({ path: process.env.CONSOLE_PICTURE });
  const history = page.getByRole("table", { name: "Releases" });
  const button = history.getByRole("button", { name: /^Roll back to release/ }).last();
  const label = (await button.getAttribute("aria-label")) ?? "";
  await button.click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  expect(await page.getByRole("dialog").count()).toBe(0);
  await button.click();
  await page.getByRole("dialog").getByRole("button", { name: label }).click();
  const number = label.replace(/\D/g, "");
  await page.getByText(`Pinned to release ${number}: pushes do not change it.`).waitFor();
  await page.getByRole("button", { name: "Unpin" }).click();
  await page.getByText(`Pinned to release ${number}`).waitFor({ state: "detached" });
});

// A server's test has an application that this one is promoted to.
test.runIf(real && process.env.SLIPWAY_APP)("an application of a server: tree, object, difference, logs, sync, promotion", async () => {
  const name = process.env.SLIPWAY_APP ?? "";
  await page.goto(`${base}/applications?q=${name}`);
  await page.getByRole("link", { name, exact: true }).click();
  const tree = page.getByRole("tree", { name: "Objects" });
  await tree.getByRole("treeitem").filter({ hasText: "Pod" }).getByText("1/1 ready").first().waitFor();
  await tree.locator(`[data-object="apps/Deployment/default/${name}"]`).click();
  const panel = page.getByRole("region", { name: `Deployment/${name}` });
  await panel.getByText("readyReplicas: 1").waitFor();
  await panel.getByRole("tab", { name: /^Events/ }).click();
  await panel.getByText("ScalingReplicaSet").first().waitFor();
  await panel.getByRole("tab", { name: "Desired" }).click();
  await panel.getByText("echo again").waitFor();
  await panel.getByRole("tab", { name: "Difference" }).click();
  await panel.getByText("Live and desired are the same.").waitFor();
  if (process.env.APP_PICTURE) {
    await panel.getByRole("tab", { name: "Live" }).click();
    await page.evaluate(() => window.scrollTo(0, 0));
    await page.screenshot({ path: process.env.APP_PICTURE });
  }
  await panel.getByRole("button", { name: "Close" }).click();
  await page.getByText("Logs of all pods").click();
  await page.locator(".applogs").getByLabel("Follow").check();
  await page.locator(".applogs").getByText("again").first().waitFor();
  await page.locator(".applogs").getByLabel("Follow").uncheck();
  const dialog = page.getByRole("dialog");
  await page.getByRole("button", { name: "Sync…" }).click();
  await dialog.getByRole("button", { name: "Dry run" }).click();
  await dialog.getByText("Live and desired are the same.").waitFor();
  await dialog.getByRole("button", { name: "Sync", exact: true }).click();
  await dialog.waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Promote…" }).click();
  await dialog.getByLabel("To").selectOption(`${name}-production`);
  await dialog.getByRole("button", { name: "Promote", exact: true }).click();
  await dialog.waitFor({ state: "detached" });
  await page.getByRole("table", { name: "Promotions" }).getByText("Promoted").waitFor();
});

test.runIf(!real)("a log grows while its job runs", async () => {
  const name = "hello-1202";
  const job = "deploy";
  const phase = async () => {
    const run = await api<{ status?: { jobs?: { name: string; phase: string }[] } }>(`runs/${name}`);
    return run.status?.jobs?.find((j) => j.name === job)?.phase;
  };
  await page.goto(`${base}/runs/${name}?job=${job}`);
  const last = async () => Number(/.*tick (\d+)/s.exec((await page.locator(".lines").textContent()) ?? "")?.[1] ?? 0);
  await expect.poll(last, { timeout: patience }).toBeGreaterThan(0);
  const before = await last();
  await expect.poll(last, { timeout: patience }).toBeGreaterThan(before + 1);
  expect(await phase()).toBe("Running"); // it was not read when all was over
});

test("logs can be searched", async () => {
  await page.goto(`${base}/logs`);
  await page.getByLabel("Words to look for").fill("hello");
  await page.getByRole("button", { name: "Search" }).click();
  await page.waitForURL(/query=hello/);
  // The values of fields narrow the search; what is hostile in them stays text.
  await page.getByRole("img", { name: real ? /lines? over time/ : "4 lines over time" }).waitFor();
  if (real) return; // whose lines are others
  await page.getByText("Values of fields").click();
  await page.getByRole("button", { name: "hello-1" }).click();
  await page.waitForURL((url) => url.searchParams.get("query") === 'pod:="hello-1" (hello)');
  await page.getByLabel("Language of the query").selectOption("lucene");
  await page.waitForURL(/language=lucene/);
  await page.getByRole("button", { name: "The lines around this one" }).first().click();
  await page.getByRole("dialog").getByText("the line after").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Close" }).click();
  expect(await page.getByRole("link", { name: "Save" }).getAttribute("href")).toContain("download=1");
});

test.runIf(!real)("a run, a job, a release, its evidence and a pod lead to exactly their lines", async () => {
  const follow = async (from: string, scope: string, query: string, ends: boolean, before?: () => Promise<void>) => {
    await page.goto(`${base}${from}`);
    await before?.();
    const sent = page.waitForRequest((r) => r.url().includes("/logs?") && r.url().includes("limit="));
    await page.locator(scope).getByRole("link", { name: "Log lines" }).first().click();
    const asks = new URL((await sent).url()).searchParams;
    expect(asks.get("query"), from).toBe(query);
    expect(Number.isNaN(Date.parse(asks.get("start") ?? "")), from).toBe(false);
    expect(asks.has("end"), from).toBe(ends);
    const csv = await page.getByRole("link", { name: "CSV" }).getAttribute("href");
    expect(new URL(csv ?? "", base).searchParams.get("query")).toBe(query);
    expect(csv).toContain("format=csv");
  };
  await follow("/runs/hello-1202", "dl.facts", 'run:="hello-1202"', false);
  await follow("/runs/hello-1202?job=lint", "section.job", 'run:="hello-1202" job:="lint"', true);
  const releases = '[aria-label="Releases"]';
  await follow("/applications/hello", `${releases} tbody tr:nth-child(1)`, 'release:="hello-3"', true);
  await follow("/applications/hello", `${releases} .evidence`, 'pod:="hello-1"', true, () => page.locator(`${releases} summary`).first().click());
  await page.getByRole("button", { name: "Any time" }).click();
  await page.waitForURL((u) => !u.searchParams.has("start") && u.searchParams.get("query") === 'pod:="hello-1"');
});

test("Chinese, and dark", async () => {
  await page.goto(`${base}/`);
  await page.getByLabel("Language").selectOption("zh-CN");
  await page.getByRole("heading", { level: 1, name: "概览" }).waitFor();
  expect(await page.evaluate(() => document.documentElement.lang)).toBe("zh-CN");
  await page.reload();
  await page.getByRole("heading", { level: 1, name: "概览" }).waitFor();
  await page.getByLabel("语言").selectOption("en");
  await page.getByLabel("Appearance").selectOption("dark");
  expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe("rgb(13, 17, 23)");
  await page.getByLabel("Appearance").selectOption("system");
});

test("readable on a phone", async () => {
  await page.setViewportSize({ width: 360, height: 740 });
  for (const path of ["/", "/repositories", "/runs", "/applications", "/environments", "/dashboards", "/dashboards/cluster", "/dashboards/logs", "/logs", "/alerts", "/status"]) {
    await page.goto(`${base}${path}`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth), path).toBeLessThanOrEqual(360);
  }
  await page.setViewportSize({ width: 1280, height: 900 });
});

test("scripts and styles come from this server only, and nothing inline", async () => {
  const csp = (await context.request.get(`${base}/`)).headers()["content-security-policy"];
  expect(csp).toContain("default-src 'none'");
  expect(csp).not.toContain("unsafe");
});

test.runIf(!real)("planted markup stays text everywhere", async () => {
  for (const path of ["/runs", "/runs/hello-1200", "/runs/hello-1201", "/runs/hello-1202?job=lint", "/runs/hello-1202?job=unit", "/environments", "/repositories/hello?tree=", "/repositories/hello?file=x", "/repositories/hello?log=", `/repositories/hello?commit=${"b".repeat(40)}`, "/repositories/hello?compare=main...topic", "/applications/hello", "/logs", "/alerts"]) {
    await page.goto(`${base}${path}`);
    await page.getByText("<img src=x").first().waitFor({ state: "attached" });
    expect(await page.locator("img").count(), path).toBe(0);
  }
  await page.goto(`${base}/runs/hello-1201`);
  await page.getByText(".gitlab-ci.yml:7:3").waitFor();
});

test.runIf(!real)("a repository's branches, pages of its history, and what is no text", async () => {
  await page.goto(`${base}/repositories/hello?log=`);
  await page.getByRole("link", { name: "Older" }).click();
  await page.getByText("Change a").waitFor();
  await page.getByRole("link", { name: "Newer" }).click();
  await page.getByText("Change b").waitFor();
  await page.getByLabel("Branch").selectOption({ index: 1 });
  await page.waitForURL((u) => u.searchParams.get("ref")?.startsWith("topic/") ?? false);
  await page.goto(`${base}/repositories/hello?file=picture.png`);
  await page.getByText("This file is no text.").waitFor();
  await page.goto(`${base}/repositories/hello?tree=`);
  expect(await page.getByRole("link", { name: "lib" }).count()).toBe(0); // a submodule leads elsewhere
});

test.runIf(!real)("thousands of rows: pages, filter, and a search in a long log", async () => {
  await page.goto(`${base}/runs`);
  await page.getByText("1–50 of 1203").waitFor();
  await page.getByLabel("Filter").fill("hello-777");
  await page.getByRole("link", { name: "hello-777" }).waitFor();
  expect(await page.locator("tbody tr").count()).toBe(1);
  await page.goto(`${base}/runs/hello-1202?job=build`);
  await page.getByText("line 5000").waitFor(); // followed to the end
  await page.locator(".log").getByLabel("Search").fill("needle");
  await page.keyboard.press("Enter");
  await page.locator("li.hit mark").waitFor();
});

test.runIf(!real)("thousands of applications: pages, filters and search are the server's, and have an address", async () => {
  await page.goto(`${base}/applications`);
  await page.getByText("1–50 of 3001").waitFor();
  await page.getByRole("button", { name: "Next" }).click();
  await page.getByText("51–100 of 3001").waitFor();
  await page.getByRole("button", { name: "Previous" }).click();
  await page.getByText("1–50 of 3001").waitFor();
  await page.getByLabel("Health").selectOption("Degraded");
  await page.waitForURL(/health=Degraded/);
  await page.getByText("1–30 of 30").waitFor();
  await page.getByLabel("Search").fill("app-007");
  await page.waitForURL(/q=app-007/);
  await page.getByText("1–1 of 1").waitFor();
  await page.reload();
  await page.getByRole("link", { name: "app-00700" }).waitFor();
  expect(await page.locator("tbody tr").count()).toBe(1);
  await page.getByLabel("Search").fill("no such thing");
  await page.getByText("No application matches.").waitFor();
  await page.goto(`${base}/`);
  await page.getByRole("link", { name: /^6[01] of 3001 applications need attention/ }).click();
  await page.getByText(/^1–50 of 6[01]$/).waitFor();
});

test.runIf(!real)("the objects of an application: live health, one in full, masked, by keyboard and by address", async () => {
  await page.goto(`${base}/applications/hello`);
  const tree = page.getByRole("tree", { name: "Objects" });
  const item = (name: string) => tree.getByRole("treeitem").filter({ has: page.locator(".name", { hasText: new RegExp(`^${name}$`) }) });
  await item("hello-5d-abc").getByText("3 restarts").waitFor();
  await item("hello-5d-abc").getByText("2/2 ready").waitFor(); // the stream says so a moment later
  expect(await item("hello-5d-abc").getAttribute("aria-level")).toBe("3");
  await item("hello").first().getByText("changed by others").waitFor();
  await item("migrate").getByText("Hook").waitFor();
  expect(await tree.getByRole("treeitem").count()).toBe(200); // more are shown when asked for
  await page.getByRole("button", { name: "Hide what came of hello-5d" }).click();
  expect(await item("hello-5d-abc").count()).toBe(0);
  await page.getByRole("button", { name: "Show what came of hello-5d" }).click();
  await page.getByLabel("Filter objects").fill("settings-299");
  await item("settings-299").waitFor();
  await page.getByLabel("Filter objects").fill("");
  await tree.locator('[data-object="apps/Deployment/default/hello"]').focus();
  await page.keyboard.press("Enter");
  const panel = page.getByRole("region", { name: "Deployment/hello" });
  await panel.getByText("kind: Deployment").waitFor();
  await panel.getByRole("tab", { name: "Difference" }).click();
  await panel.locator(".added", { hasText: "replicas: 1" }).waitFor();
  await panel.getByText("by kubectl-edit").waitFor();
  await panel.getByRole("tab", { name: "Desired" }).click();
  await panel.getByRole("tab", { name: /^Events/ }).click();
  await panel.getByText("Unhealthy").waitFor();
  await page.goto(`${base}/applications/hello?object=%2FSecret%2Fdefault%2Fkeys`); // an object has an address
  await page.getByRole("region", { name: "Secret/keys" }).getByText("token: '*****'").waitFor();
  await tree.locator('[data-object="/Pod/default/hello-5d-abc"]').click();
  await page.getByRole("region", { name: "Pod/hello-5d-abc" }).getByRole("tab", { name: "Logs" }).click();
  await page.getByRole("region", { name: "Pod/hello-5d-abc" }).getByLabel("Container").selectOption("sidecar");
  await page.getByRole("region", { name: "Pod/hello-5d-abc" }).getByRole("log").waitFor();
  await page.getByRole("region", { name: "Pod/hello-5d-abc" }).getByRole("button", { name: "Close" }).click();
  await page.getByText("Logs of all pods").click();
  await page.getByLabel("Pod", { exact: true }).selectOption("hello-5d-abc");
  await page.locator(".applogs").getByRole("log").waitFor();
  await page.setViewportSize({ width: 360, height: 740 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  await page.setViewportSize({ width: 1280, height: 900 });
});

test.runIf(!real)("what can be done with an application: sync of some objects after a dry run, promotion, approval, deletion", async () => {
  await page.goto(`${base}/applications/hello`);
  await page.getByText("Contested").waitFor();
  await page.getByText("Put right: 1 objects that others changed").waitFor();
  await page.getByText("Sync windows: 1").click();
  await page.getByText("0 12 * * 5").waitFor();
  await page.getByRole("tree", { name: "Objects" }).waitFor();
  await page.getByRole("button", { name: "Sync…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("All 303 objects").click();
  await dialog.getByLabel("Filter objects").fill("deploy");
  await dialog.getByLabel("Deployment/hello").check();
  await dialog.getByLabel("Objects that left the set").selectOption("true");
  await dialog.getByRole("button", { name: "Dry run" }).click();
  await dialog.locator(".added", { hasText: "only=Deployment%2Fhello&prune=true" }).waitFor();
  await dialog.getByRole("button", { name: "Sync", exact: true }).click();
  await dialog.waitFor({ state: "detached" });
  expect(asked).toContain('sync hello {"only":["Deployment/hello"],"prune":true}');
  await page.getByRole("button", { name: "Refresh" }).click();
  await page.getByRole("button", { name: "Promote…" }).click();
  await dialog.getByLabel("To").selectOption("production");
  await dialog.getByRole("button", { name: "Promote", exact: true }).click();
  await dialog.waitFor({ state: "detached" });
  expect(asked).toContain('promote hello {"to":"production","release":2}');
  await page.getByRole("table", { name: "Promotions" }).getByRole("button", { name: "Approve" }).click();
  await page.getByRole("table", { name: "Promotions" }).getByText("Promoted").waitFor();
  await page.goto(`${base}/applications`);
  await page.getByRole("table", { name: "previews" }).getByRole("link", { name: "http://127.0.0.1:30081" }).waitFor();
  await page.getByRole("button", { name: /^Show commit/ }).waitFor();
  await page.goto(`${base}/applications/app-00005`);
  await page.getByRole("button", { name: "Delete…" }).click();
  expect(await dialog.getByRole("button", { name: "Delete", exact: true }).count()).toBe(0); // its name first
  await dialog.getByLabel(/Delete its/).uncheck();
  await dialog.getByLabel(/Type app-00005/).fill("app-00005");
  await dialog.getByRole("button", { name: "Delete", exact: true }).click();
  await page.waitForURL(/applications$/);
  expect(asked).toContain("DELETE app-00005 ?cascade=false");
});

test.runIf(!real)("an application is made and changed in a form, and what the server refuses is said at its field", async () => {
  await page.goto(`${base}/applications`);
  await page.getByRole("button", { name: "New application…" }).click();
  const form = page.getByRole("dialog", { name: "New application" });
  await form.getByRole("button", { name: "Create" }).click(); // it has no name: the browser says so
  await form.getByLabel("Name", { exact: true }).fill("a..b");
  await form.getByLabel("Repository").fill("hello");
  await form.getByLabel("Time to become healthy").fill("soon");
  await form.getByRole("button", { name: "Create" }).click();
  expect(asked.filter((a) => a.startsWith("POST applications"))).toEqual([]);
  await form.getByLabel("Time to become healthy").fill("90s");
  await form.getByLabel("Goes to namespace").fill("web");
  await form.getByLabel("Make this namespace").check();
  await page.keyboard.press("Enter");
  await form.getByRole("alert").getByText("no name <img").waitFor();
  expect(await form.getByLabel("Name", { exact: true }).getAttribute("aria-invalid")).toBe("true");
  await form.getByLabel("Name", { exact: true }).fill("made");
  await form.getByRole("button", { name: "Create" }).click();
  await page.waitForURL(`${base}/applications/made`);
  expect(asked).toContain('POST applications {"metadata":{"name":"made"},"spec":{"source":{"repository":"hello"},"namespace":"web","sync":"push","healthDeadline":"90s","syncOptions":{"createNamespace":true}}}');
  await page.getByRole("button", { name: "Change…" }).click();
  const change = page.getByRole("dialog", { name: "Change made" });
  expect(await change.getByLabel("Time to become healthy").inputValue()).toBe("90s");
  await change.getByLabel("What is followed").selectOption("semver");
  await change.getByRole("textbox", { name: "Follows" }).fill("1.x");
  await change.getByLabel("Sync").selectOption("manual");
  await change.getByLabel("Delete what left the set").uncheck();
  await change.getByLabel("Goes to namespace").fill("");
  await change.getByRole("button", { name: "Save" }).click();
  await change.waitFor({ state: "detached" });
  expect(asked).toContain('PATCH made {"spec":{"namespace":null,"sync":"manual","source":{"semver":"1.x"},"syncOptions":{"prune":false}}}');
});

test.runIf(!real)("a release: its cause, its images, what it changed; what happened; a rollout is stopped after a question", async () => {
  const at = "/api/v1/namespaces/default/applications/hello";
  const commit = "c".repeat(40);
  const desired = { commit, sequence: 4, cause: "promotion", by: "bob", promotion: "hello-p1", images: [{ name: "shop <b>", digest: `sha256:${"d".repeat(64)}`, commit, run: "hello-1201" }] };
  const status = { result: "Progressing", startedAt: new Date().toISOString() };
  const newest = { metadata: { name: "hello-4", namespace: "default", creationTimestamp: status.startedAt }, spec: { application: "hello", number: 4, desired, subject: "four" }, status };
  const app = await api<{ status: Record<string, unknown> }>("applications/hello");
  app.status.last = 4;
  app.status.message = "release 4 is rolling out: Deployment/hello";
  await page.route(`**${at}`, (route) => route.fulfill({ json: app }));
  await page.route(`**${at}/releases`, (route) => route.fulfill({ json: { items: [newest] } }));
  await page.route(`**${at}/releases/4/diff`, (route) => route.fulfill({ contentType: "text/plain", body: "--- before\n+++ after\n-a: <b>\n+a: c\n" }));
  await page.route(`**${at}/events`, (route) => route.fulfill({ json: { items: [{ type: "Warning", reason: "ReleaseFailed", message: "release 3: <i>why</i>", last: status.startedAt }] } }));
  let stopped = false;
  await page.route(`**${at}/stop`, (route) => {
    stopped = true;
    return route.fulfill({ status: 204 });
  });
  try {
    await page.goto(`${base}/applications/hello`);
    const row = page.getByRole("table", { name: "Releases" }).getByRole("row", { name: /^#4/ });
    await row.getByRole("cell", { name: "promotion", exact: true }).waitFor();
    await row.getByText("Details").click();
    await row.getByText("hello-p1").waitFor();
    const image = row.getByRole("list", { name: "Images" });
    await image.getByText("sha256:dddddddddddd", { exact: true }).waitFor();
    expect(await image.getByRole("link", { name: "hello-1201" }).getAttribute("href")).toMatch(/\/runs\/.*hello-1201$/);
    await row.getByRole("button", { name: "Show what it changed" }).click();
    expect(await row.locator(".removed").allTextContents()).toEqual(["-a: <b>\n"]);
    await page.getByText("What happened").click();
    await page.getByRole("table", { name: "What happened" }).getByText("release 3: <i>why</i>").waitFor();
    const dialog = page.getByRole("dialog");
    await page.getByRole("button", { name: "Stop…" }).click();
    await dialog.getByText("Stop release 4 and put release 2 back?").waitFor();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    expect(stopped).toBe(false);
    await page.getByRole("button", { name: "Stop…" }).click();
    await dialog.getByRole("button", { name: "Stop release 4" }).click();
    await dialog.waitFor({ state: "detached" });
    expect(stopped).toBe(true);
  } finally {
    await page.unrouteAll({ behavior: "ignoreErrors" });
  }
});

test.runIf(!real)("who starts a run by hand is told what its file asks for", async () => {
  await page.goto(`${base}/repositories/hello`);
  const form = page.locator("details", { hasText: "Start a run by hand" });
  await form.locator("summary").click();
  await form.getByText(/^Where to <img/).waitFor();
  expect(await form.getByLabel("TARGET").inputValue()).toBe("staging");
  expect(await form.getByLabel("TARGET").locator("option").allTextContents()).toEqual(["staging", "b<b>"]);
  expect(await form.getByLabel("count").inputValue()).toBe("1");
  await form.getByText("who (required)").waitFor();
  expect(await form.locator("img").count()).toBe(0);
});

test.runIf(!real)("a run next to the one before it", async () => {
  await page.goto(`${base}/runs/hello-1202`);
  const compared = page.getByRole("region", { name: "Compared with hello-1199" });
  await compared.getByText("coverage 80.00 %, before 75.50 %").waitFor();
  await compared.getByText("3 is not 4").waitFor();
});

test.runIf(!real)("a job: earlier attempts, tests, files, folded sections, and again from here", async () => {
  await page.goto(`${base}/runs/hello-1202?job=unit`);
  await page.getByText("1 of 3 tests failed").first().waitFor();
  const tests = page.getByRole("table", { name: "Tests" });
  expect(await tests.locator("tbody tr").first().textContent()).toContain("3 is not 4"); // failed ones first
  expect(await page.locator('a[href^="javascript"]').count()).toBe(0);
  await page.getByText("Artifacts", { exact: true }).click();
  const file = page.getByRole("table", { name: "Artifacts" }).getByRole("link");
  expect(await file.getAttribute("href")).toContain("/artifacts/file?path=out%2F");
  await page.getByText("afterwards").waitFor();
  expect(await page.getByText("hidden inside").count()).toBe(0);
  await page.getByRole("button", { name: "Unfold this section" }).click();
  await page.getByText("hidden inside").waitFor();
  await page.getByLabel("Attempts").selectOption("1");
  await page.getByText("exit status 3").waitFor();
  await page.getByRole("button", { name: "Run from here" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Run from here" }).click();
  await page.locator('.node[data-job="unit"].is-Running').waitFor();
});

test.runIf(!real)("a job that starts another run leads to it, and that one back", async () => {
  await page.goto(`${base}/runs/hello-1202?job=docs`);
  const panel = page.locator("section.job");
  await panel.getByText("Failed", { exact: true }).nth(1).waitFor(); // how the other run goes
  await panel.getByRole("combobox", { name: "Attempt" }).selectOption("1");
  await panel.getByRole("link", { name: "hello-1202-docs-c1" }).waitFor();
  await panel.getByRole("combobox", { name: "Attempt" }).selectOption("2");
  await panel.getByRole("link", { name: "hello-1202-docs-c2" }).click();
  await page.getByRole("heading", { level: 1, name: "hello-1202-docs-c2" }).waitFor();
  expect(await page.getByRole("button", { name: "Run again", exact: true }).count()).toBe(0); // its parent does that
  await page.getByRole("link", { name: "hello-1202 · docs" }).click();
  await page.waitForURL((u) => u.pathname.endsWith("/runs/hello-1202") && u.searchParams.get("job") === "docs");
  await page.goto(`${base}/runs`);
  await page.getByText("by hello-1202").waitFor();
});

test.runIf(!real)("a job that asks for approval", async () => {
  await page.goto(`${base}/runs/hello-1202?job=promote`);
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await page.getByText("Really promote?").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Approve and start" }).click();
  await page.getByText("approved by admin").waitFor();
});

test.runIf(!real)("variables are set and never shown, schedules and environments are listed", async () => {
  await page.goto(`${base}/repositories/hello`);
  await page.getByText(/^Variables/).click();
  await page.getByText("DEPLOY_KEY").waitFor();
  const form = page.locator("form", { has: page.getByRole("button", { name: "Set" }) });
  await form.getByLabel("Name").fill("API_TOKEN");
  await form.getByLabel("Value", { exact: true }).fill("planted-secret");
  await form.getByRole("button", { name: "Set" }).click();
  await page.getByRole("table", { name: "Variables" }).getByText("API_TOKEN").waitFor();
  expect(await page.content()).not.toContain("planted-secret");
  await page.getByText(/^Schedules/).click();
  await page.getByText("0 4 * * * Asia/Shanghai").waitFor();
  await page.getByText("Start a run by hand").click();
  await page.locator("form", { has: page.getByRole("button", { name: "Run", exact: true }) }).getByLabel("Variables").fill("no equals sign");
  await page.locator("form").getByRole("button", { name: "Run", exact: true }).click();
  await page.getByText("write NAME=value, not no equals sign").waitFor();
  await page.getByRole("table", { name: "Environments" }).getByRole("link", { name: /^production/ }).click();
  await page.getByRole("table", { name: "Deployments" }).getByText("hello-1202").waitFor();
  await page.getByRole("button", { name: "Deploy again" }).waitFor();
});

test.runIf(!real)("what fires is shown, also on its application, and is silenced for some time", async () => {
  await page.goto(`${base}/applications/hello`);
  await page.getByRole("table", { name: "Alerts" }).getByText("PodCrashLoops").waitFor();
  await page.goto(`${base}/alerts`);
  const fires = page.getByRole("table", { name: "Alerts" });
  await fires.getByRole("button", { name: "Silence" }).click();
  await page.getByLabel("For how long").selectOption("8");
  await page.getByLabel("Why").fill("fixed in the next release");
  await page.locator("form").getByRole("button", { name: "Silence" }).click();
  const silences = page.getByRole("table", { name: "Silences" });
  await silences.getByText("alertname=PodCrashLoops application=hello").waitFor();
  await fires.getByText("silenced").waitFor();
  await silences.getByRole("button", { name: "End" }).click();
  await silences.waitFor({ state: "detached" });
  await fires.getByRole("button", { name: "Silence" }).waitFor();
});

test("signing out ends the session", async () => {
  await page.goto(`${base}/`);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  expect((await context.request.get(`${base}/api/v1/whoami`)).status()).toBe(401);
});
