// Pictures of the docs, of the page with made-up data: PICTURES=../../docs/pictures npm run e2e.
// Without PICTURES it only sees that what they show is there.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, beforeAll, test } from "vitest";
import { patience } from "./browser";
import { explained, record } from "./failure";
import { start, token } from "./fixture";

const into = process.env.PICTURES;
const ns = "/api/v1/namespaces/default";
let stop = async () => {};
let base = "";
let browser: Browser;
let page: Page;

const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
const meta = (name: string, minutes = 10) => ({ name, namespace: "default", resourceVersion: "1", creationTimestamp: ago(minutes) });
const commits = ["4f6c2a9be01d7c35", "b81d05e7a3f94c62", "0c97fd3e61a2b845"].map((c) => c.repeat(3).slice(0, 40));

/** answers in place of the fixture's, by path. */
async function answers(of: Record<string, unknown>) {
  await page.unrouteAll();
  await page.route("**/badge/**", (route) => route.fulfill({ contentType: "image/svg+xml", body: badge }));
  for (const [path, body] of Object.entries(of)) {
    await page.route(
      (url) => decodeURIComponent(url.pathname) === (path.startsWith("/") ? path : `${ns}/${path}`),
      (route) =>
        path.endsWith("/tree")
          ? route.fulfill({ contentType: "text/event-stream", body: `retry: 600000\ndata: ${JSON.stringify(body)}\n\n` })
          : Array.isArray(body)
            ? route.fulfill({ contentType: "application/x-ndjson", body: body.map((row) => `${JSON.stringify(row)}\n`).join("") })
            : typeof body === "string"
            ? route.fulfill({ contentType: "text/plain", body })
            : route.fulfill({ json: body }),
    );
  }
}

/** picture of the upper part of the page. */
async function picture(name: string, height: number) {
  await page.setViewportSize({ width: 1180, height });
  await page.evaluate(() => scrollTo(0, 0));
  if (into) await page.screenshot({ path: join(into, `${name}.png`) });
}

const badge = `<svg xmlns="http://www.w3.org/2000/svg" width="120" height="20"><rect width="120" height="20" rx="3" fill="#1a7f37"/><rect width="62" height="20" rx="3" fill="#555"/><g fill="#fff" font-family="sans-serif" font-size="11"><text x="8" y="14">pipeline</text><text x="70" y="14">passed</text></g></svg>`;

beforeAll(async () => {
  if (into) await mkdir(into, { recursive: true });
  const f = await start(fileURLToPath(new URL("../dist", import.meta.url)));
  base = f.url;
  stop = f.stop;
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", "--disable-quic"] });
  page = await browser.newPage({ viewport: { width: 1180, height: 640 }, locale: "en-US" });
  record(page);
  page.setDefaultTimeout(patience);
  await page.goto(`${base}/`);
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("live").first().waitFor();
});

afterAll(async () => {
  await browser?.close();
  await stop();
});
explained(() => page);

const repository = {
  metadata: meta("shop", 90),
  spec: { url: "https://git.example.org/acme/shop.git" },
  status: {
    defaultBranch: "main", sequence: 14, lastPolled: ago(4),
    polling: { every: "10m0s" },
    refs: {
      "refs/heads/main": { commit: commits[0], sequence: 14, seen: ago(6), via: "webhook" },
      "refs/heads/cart": { commit: commits[1], sequence: 13, seen: ago(25), via: "webhook" },
    },
    mergeRequests: [{ number: 12, title: "Cart remembers its items", author: "ann", source: "cart", target: "main", commit: commits[1], sequence: 13, state: "opened", url: "https://git.example.org/acme/shop/pull/12", updated: ago(25) }],
    conditions: [{ type: "Ready", status: "True", reason: "Fetched" }],
  },
};

test("connect a repository: what was fetched, and the webhooks that came", async () => {
  const delivery = (number: number, minutes: number, event: object) => ({ number, forge: "gitea", id: `d${number}`, size: 4000, received: ago(minutes), outcome: "done", event });
  await answers({
    repositories: { items: [repository] },
    runs: { items: [] },
    environments: { items: [] },
    "repositories/shop/deliveries": {
      items: [
        delivery(31, 6, { name: "push", kind: "push", refs: [{ name: "refs/heads/main", after: commits[0] }] }),
        delivery(30, 25, { name: "pull_request", kind: "mergeRequest", mergeRequest: { number: 12, state: "opened" } }),
        delivery(29, 26, { name: "push", kind: "push", refs: [{ name: "refs/heads/cart", after: commits[1] }] }),
      ],
    },
  });
  await page.goto(`${base}/repositories/shop`);
  await page.getByText("https://git.example.org/acme/shop.git").waitFor();
  await page.getByText("Cart remembers its items").waitFor();
  await page.getByText("Webhook deliveries", { exact: false }).first().click();
  await page.getByText("!12 opened").waitFor();
  await picture("repository", 1190);
});

type Node = { id: string; parent?: string; group?: string; kind: string; name: string; info?: string };
const node = (n: Node) => ({ version: "v1", namespace: "default", health: "Current", created: ago(60 * 24 * 40), ...n });

const application = (spec: object, status: object) => ({
  metadata: meta("shop", 12),
  spec: { pin: 0, desired: { commit: commits[0], sequence: 14 }, ...spec },
  status: { health: "Healthy", ...status },
});

test("from Argo CD: the dry run over objects that run", async () => {
  const diff = `configured Deployment/shop
--- live
+++ desired
@@ -4,10 +4,12 @@
   labels:
     app: shop
     app.kubernetes.io/instance: shop
+    slipway.dev/application: shop
   name: shop
 spec:
   template:
     metadata:
       labels:
         app: shop
+        slipway.dev/application: shop
configured Service/shop
--- live
+++ desired
@@ -4,5 +4,6 @@
   labels:
     app.kubernetes.io/instance: shop
+    slipway.dev/application: shop
   name: shop
`;
  const app = application({ source: { repository: "shop", path: "deploy/prod" }, sync: "manual", desired: undefined, syncOptions: { adopt: true } }, { health: "", sync: "OutOfSync", message: "nothing is desired yet: push, or run `slipway app sync`" });
  await answers({
    repositories: { items: [repository] },
    applications: { items: [app], total: 1, health: {}, sync: {}, metadata: {} },
    "applications/shop": app,
    "applications/shop/tree": { items: [] },
    "applications/shop/releases": { items: [] },
    "applications/shop/preview": diff,
    promotions: { items: [] },
  });
  await page.goto(`${base}/applications/shop`);
  await page.getByRole("button", { name: "Sync…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Dry run" }).click();
  await dialog.getByText("configured Service/shop").waitFor();
  await picture("from-argocd", 700);
});

test("from Flux: a HelmRelease that moved", async () => {
  const release = { metadata: meta("shop-1", 9), spec: { application: "shop", number: 1, desired: { commit: commits[0], sequence: 14 }, subject: "Shop 2.4 in production", author: "Ann" }, status: { result: "Healthy", startedAt: ago(9), finishedAt: ago(8.8) } };
  const app = application(
    { source: { repository: "shop", helm: { repository: "https://charts.example.org", chart: "shop", version: "2.4.*", valueFiles: ["prod/values.yaml"] } }, sync: "push", syncOptions: { adopt: true } },
    { current: 1, healthy: 1, last: 1, sync: "Synced", addresses: ["http://10.0.0.2:30080"] },
  );
  await answers({
    repositories: { items: [repository] },
    applications: { items: [app], total: 1, health: { Healthy: 1 }, sync: { Synced: 1 }, metadata: {} },
    "applications/shop": app,
    "applications/shop/tree": {
      items: [
        node({ id: "d", group: "apps", kind: "Deployment", name: "shop", info: "2/2 ready" }),
        node({ id: "r", parent: "d", group: "apps", kind: "ReplicaSet", name: "shop-6f7d9c5b8", info: "2/2 ready" }),
        node({ id: "p", parent: "r", kind: "Pod", name: "shop-6f7d9c5b8-4xk2p", info: "1/1 ready" }),
        node({ id: "q", parent: "r", kind: "Pod", name: "shop-6f7d9c5b8-z8v7n", info: "1/1 ready" }),
        node({ id: "s", kind: "Service", name: "shop" }),
        node({ id: "k", kind: "Secret", name: "shop-keys" }),
        node({ id: "v", kind: "PersistentVolumeClaim", name: "shop-data" }),
      ].map((n) => (n.kind === "Pod" || n.kind === "ReplicaSet" ? { ...n, created: ago(9) } : n)),
    },
    "applications/shop/releases": { items: [release] },
    promotions: { items: [] },
  });
  await page.goto(`${base}/applications/shop`);
  await page.getByText("shop-6f7d9c5b8-z8v7n").waitFor();
  await page.getByText("Shop 2.4 in production").waitFor();
  await picture("from-flux", 640);
});

const crashes = { labels: { alertname: "PodCrashLoops", severity: "warning", namespace: "default", application: "shop", pod: "shop-6f7d9c5b8-4xk2p", container: "shop" }, annotations: { summary: "shop in pod shop-6f7d9c5b8-4xk2p starts again and again" }, startsAt: ago(12), state: "active" };

test("alerts: what fires, what is silenced, and the form that silences", async () => {
  const queue = { labels: { alertname: "QueueGrows", severity: "critical", namespace: "default", application: "orders" }, annotations: { summary: "1,204 orders wait, 400 more than ten minutes ago" }, startsAt: ago(4), state: "active" };
  const quota = { labels: { alertname: "VolumeFills", severity: "warning", namespace: "default", application: "orders", persistentvolumeclaim: "orders-data" }, annotations: { summary: "orders-data is full in 3 days" }, startsAt: ago(60 * 26), state: "suppressed" };
  const silence = { id: "5f1c", matchers: ["alertname=VolumeFills", "persistentvolumeclaim=orders-data"], comment: "a larger one comes on Monday", createdBy: "ann", startsAt: ago(600), endsAt: ago(-60 * 40), state: "active" };
  await answers({ alerts: { items: [quota, crashes, queue] }, silences: { items: [silence] } });
  await page.goto("about:blank");
  await page.goto(`${base}/#/alerts?receiver=team`); // as in a letter of Alertmanager's
  await page.getByText("1,204 orders wait").waitFor();
  await page.getByText("a larger one comes on Monday").waitFor();
  await page.getByRole("row", { name: /PodCrashLoops/ }).getByRole("button").click();
  await page.getByPlaceholder("why", { exact: false }).fill("fixed in the next release");
  await picture("alerts", 520);
});

test("metrics: what an application uses, with its releases, and what fires of it", async () => {
  const release = (number: number, minutes: number, subject: string) => ({ metadata: meta(`shop-${number}`, minutes), spec: { application: "shop", number, desired: { commit: commits[number % 3], sequence: number }, subject, author: "Ann" }, status: { result: "Healthy", startedAt: ago(minutes), finishedAt: ago(minutes - 0.3) } });
  const app = application({ source: { repository: "shop", path: "deploy" }, sync: "push" }, { current: 9, healthy: 9, last: 9, sync: "Synced", inventory: [{ group: "apps", version: "v1", kind: "Deployment", name: "shop", namespace: "default" }] });
  await answers({
    repositories: { items: [repository] },
    applications: { items: [app], total: 1, health: { Healthy: 1 }, sync: { Synced: 1 }, metadata: {} },
    "applications/shop": app,
    "applications/shop/tree": { items: [node({ id: "d", group: "apps", kind: "Deployment", name: "shop", info: "2/2 ready" })] },
    "applications/shop/releases": { items: [release(9, 14, "Cart remembers its items"), release(8, 41, "Smaller pictures")] },
    alerts: { items: [crashes] },
    promotions: { items: [] },
  });
  await page.route("**/prometheus/api/v1/query_range?**", (route) => {
    const q = new URL(route.request().url()).searchParams;
    const [from, to, step] = ["start", "end", "step"].map((k) => Number(q.get(k)));
    const values = [];
    for (let x = from; x <= to; x += step) {
      const minutes = (to - x) / 60;
      const load = (minutes > 41 ? 0.34 : minutes > 14 ? 0.21 : 0.23) + 0.03 * Math.sin(x / 240) + 0.012 * Math.sin(x / 37);
      values.push([x, String(load)]);
    }
    return route.fulfill({ json: { status: "success", data: { resultType: "matrix", result: [{ metric: {}, values }] } } });
  });
  await page.goto(`${base}/applications/shop`);
  await page.locator('[data-testid=chart] [data-deploys="8 9"]').waitFor();
  await page.getByText("starts again and again").waitFor();
  await picture("metrics", 930);
});

const second = (s: number) => new Date(Date.now() - 600_000 + s * 1000).toISOString();
const line = (s: number, n: number, _msg: string) => ({ _time: second(s), _msg, pod: `shop-6f7d9c5b8-${["4xk2p", "z8v7n"][n]}`, container: "shop", namespace: "default", application: "shop", release: "shop-3" });
const trace = `2026/01/02 POST /checkout: connection refused
java.net.ConnectException: Connection refused
\tat shop.Payments.charge(Payments.java:87)
\tat shop.Checkout.finish(Checkout.java:41)
Caused by: java.net.ConnectException: 10.43.0.17:5432
\t... 12 more`;
const printed = [
  line(0, 0, "\x1b[32mINFO\x1b[0m  GET /cart 200 12 ms"), line(1, 1, "\x1b[32mINFO\x1b[0m  GET /cart 200 9 ms"), line(4, 0, "\x1b[33mWARN\x1b[0m  payments answers slowly: 1.8 s"),
  line(5, 1, "\x1b[32mINFO\x1b[0m  POST /cart 201 31 ms"), line(7, 0, `\x1b[31mERROR\x1b[0m ${trace}`), line(8, 0, "\x1b[32mINFO\x1b[0m  GET /livez 200 0 ms"), line(11, 1, "\x1b[32mINFO\x1b[0m  GET /products 200 22 ms"),
];
const overview = {
  buckets: Array.from({ length: 60 }, (_, i) => ({ time: ago(60 - i), count: Math.round(40 + 25 * Math.sin(i / 6) + (i > 44 && i < 50 ? 90 : 0)) })),
  facets: [
    { field: "pod", values: [{ value: "shop-6f7d9c5b8-4xk2p", count: 1420 }, { value: "shop-6f7d9c5b8-z8v7n", count: 1391 }] },
    { field: "stream", values: [{ value: "stdout", count: 2604 }, { value: "stderr", count: 207 }] },
    { field: "release", values: [{ value: "shop-3", count: 1733 }, { value: "shop-2", count: 1078 }] },
    { field: "level", values: [{ value: "info", count: 2388 }, { value: "warn", count: 216 }, { value: "error", count: 207 }] },
  ],
};

test("logs: when the lines were, what their fields have, and the lines themselves", async () => {
  await answers({ logs: printed, "logs/overview": overview, "logs/context": printed });
  await page.goto(`${base}/logs?query=${encodeURIComponent('application:="shop"')}`);
  await page.getByText("Payments.java:87").first().waitFor();
  await page.locator(".facets summary").click();
  await page.getByRole("button", { name: /^shop-3/ }).waitFor();
  await picture("logs", 750);
  await page.getByRole("button", { name: "Lines around this one" }).nth(4).click();
  await page.getByRole("dialog").getByText("payments answers slowly").waitFor();
  await picture("logs-around", 620);
});

test("logs: of a failed run's job, by the link on its page", async () => {
  await answers({ logs: [line(0, 0, "$ go test ./..."), line(2, 0, "--- FAIL: TestCheckout (0.02s)"), line(2, 0, "    checkout_test.go:31: total 41, want 42"), line(3, 0, "FAIL")].map((l) => ({ ...l, pod: "shop-14-unit-1-pod", container: "step-script", run: "shop-14", job: "unit" })), "logs/overview": { buckets: overview.buckets.map((b, i) => ({ ...b, count: i === 50 ? 4 : 0 })), facets: [] } });
  await page.goto(`${base}/logs?${new URLSearchParams({ query: 'run:="shop-14" job:="unit"', start: ago(12), end: ago(9) })}`);
  await page.getByText("checkout_test.go:31").waitFor();
  await picture("logs-of-a-run", 490);
});

test("the parts of a log stack, and why one of them is not ready", async () => {
  const part = (name: string, ready: boolean, message: string) => ({ name, ready, message, optional: true, since: ago(8) });
  await answers({
    "/api/v1/status": {
      ready: true,
      components: [
        { name: "observe", ready: true, message: "", since: ago(60) }, part("logs to fluentd.slipway-logs.svc:24224", true, ""), part("log stack: fluentd", true, ""), part("log stack: elasticsearch", true, "green"),
        part("log stack: kibana", false, "image docker.elastic.co/kibana/kibana:9.1 cannot be pulled: not found; put its name right (spec.kibana.image), push it, or name the Secret to pull it with (spec.pullSecrets)"),
      ],
    },
  });
  await page.goto(`${base}/status`);
  await page.getByText("spec.kibana.image").waitFor();
  await picture("logstack", 590);
});

test("the dashboard of the logs", async () => {
  await page.unrouteAll();
  await page.setViewportSize({ width: 1180, height: 1400 });
  await page.goto(`${base}/dashboards/logs`);
  await page.locator(".board-panel").first().waitFor();
  await page.waitForFunction(() => !document.querySelector('.board-panel[data-state="loading"]'));
});
