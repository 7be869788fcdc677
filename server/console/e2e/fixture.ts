// A small server with made-up data, for the browser tests to run without a cluster
// and for `npm run dev`. It speaks as much of /api/v1 as the page asks for.
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { extname, join, normalize } from "node:path";
import type { AddressInfo } from "node:net";
import { board, lines, metrics, shipped } from "./dashboards";
import { around, many, object, page, tree } from "./applications";
import { repository } from "./repository";

export const token = "fixture-token";
export const planted = `<img src=x onerror="window.planted=1"><script>window.planted=1</script>`;

// The policy of console.go, so that what it forbids fails here too.
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
  "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const ns = "/api/v1/namespaces/default";
let version = 100;
const at = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
const meta = (name: string, minutes = 10) => ({ name, namespace: "default", resourceVersion: String(++version), creationTimestamp: at(minutes) });
const commit = (n: number) => String(n).repeat(40).slice(0, 40);

type Object_ = { metadata: { name: string; resourceVersion: string } } & Record<string, unknown>;

function data() {
  const job = (name: string, phase: string, needs: string[] = [], more = {}) => ({
    name, phase, needs, stage: "stage", attempt: phase === "Pending" ? 0 : 1,
    ...(phase === "Pending" ? {} : { startedAt: at(5) }),
    ...(phase === "Succeeded" || phase === "Failed" ? { finishedAt: at(4) } : {}),
    ...more,
  });
  const run = (n: number, status: object) => ({
    metadata: meta(`hello-${n}`, 2000 - n),
    spec: { repository: "hello", commit: commit(n % 10), ref: n % 2 ? "refs/heads/main" : `refs/heads/${planted}`, sequence: n, cause: "push", by: "ann" },
    status,
  });
  const runs: Object_[] = [];
  for (let n = 1; n <= 1200; n++) {
    runs.push(run(n, { phase: "Succeeded", pipeline: "default", startedAt: at(2000 - n), finishedAt: at(1999 - n), jobs: [job("build", "Succeeded")] }));
  }
  runs.push(run(1201, { phase: "Failed", pipeline: ".gitlab-ci.yml", message: "the pipeline file was refused", problems: [{ file: ".gitlab-ci.yml", line: 7, column: 3, rule: "unknown-key", message: `unknown key "scrpt" ${planted}`, hint: "did you mean script?" }] }));
  runs.push(run(1202, {
    phase: "Running", pipeline: ".gitlab-ci.yml", startedAt: at(5),
    jobs: [job("build", "Succeeded", [], { artifacts: true }), job("unit", "Succeeded", ["build"], { attempt: 2, attempts: [{ number: 1, phase: "Failed", exitCode: 3, startedAt: at(7), finishedAt: at(6) }], tests: { total: 3, failed: 1, skipped: 1, errors: 0 }, coverage: "81.5", artifacts: true, environment: "review/one", environmentURL: "javascript:alert(1)" }), job("lint", "Failed", ["build"], { allowFailure: true, exitCode: 2 }), job("deploy", "Running", ["unit", "lint"]), job("promote", "Pending", ["deploy"], { manual: true, confirmation: `Really promote? ${planted}` }), job("docs", "Failed", ["build"], { child: "hello-1202-docs-c2", attempt: 2, attempts: [{ number: 1, phase: "Canceled", child: "hello-1202-docs-c1" }], message: `run hello-1202-docs-c2 failed: ${planted}`, allowFailure: true })],
    children: ["hello-1202-docs-c1", "hello-1202-docs-c2"],
  }));
  const child = run(1202, { phase: "Failed", pipeline: "docs/ci.yml", message: `job "links" failed`, startedAt: at(4), finishedAt: at(3), jobs: [job("links", "Failed")] });
  Object.assign(child.metadata, { name: "hello-1202-docs-c2" });
  Object.assign(child.spec, { cause: "child", parent: { run: "hello-1202", job: "docs", attempt: 2 } });
  runs.push(child);
  const release = (n: number, result: string, more = {}) => ({
    metadata: meta(`hello-${n}`, 60 - n * 10),
    spec: { application: "hello", number: n, desired: { commit: commit(n), sequence: n }, subject: `version ${n} ${planted}`, author: "Ann" },
    status: { result, startedAt: at(60 - n * 10), finishedAt: at(59 - n * 10), ...more },
  });
  return {
    repositories: [{ metadata: meta("hello", 3000), spec: {}, status: { defaultBranch: "main", sequence: 1202, refs: { "refs/heads/main": { commit: commit(3), sequence: 1202, seen: at(5), via: "push", by: "ann" } }, conditions: [{ type: "Ready", status: "True", message: "hosted here" }] } }] as Object_[],
    runs,
    alerts: [{ labels: { alertname: "PodCrashLoops", severity: "warning", application: "hello", pod: planted }, annotations: { summary: `a container starts again and again ${planted}` }, startsAt: at(12) }],
    silences: [] as Record<string, unknown>[],
    schedules: [{ metadata: meta("nightly"), spec: { repository: "hello", cron: "0 4 * * *", timeZone: "Asia/Shanghai" }, status: { next: at(-60), lastRun: "hello-1200" } }] as Object_[],
    environments: [{
      metadata: meta("hello-production-1a2b"), spec: { repository: "hello", name: `production ${planted}` },
      status: { state: "available", tier: "production", url: "https://hello.example.org", commit: commit(3), deployedAt: at(5), onStop: "stop", history: [{ run: "hello-1202", job: "deploy", commit: commit(3), ref: "refs/heads/main", by: "ann", phase: "Succeeded", at: at(5) }] },
    }] as Object_[],
    ...(around(commit(3), planted) as unknown as { promotions: Object_[]; applicationsets: Object_[] }),
    variables: [{ name: "DEPLOY_KEY", repository: "hello", environment: "*", protected: true, by: "ann", at: at(9) }] as Record<string, unknown>[],
    applications: [{
      metadata: meta("hello", 3000),
      spec: { source: { repository: "hello" }, sync: "pipeline", desired: { commit: commit(3), sequence: 3 }, pin: 0, windows: [{ kind: "deny", schedule: "0 12 * * 5", duration: "72h" }], needs: ["app-00000"] },
      status: { current: 2, healthy: 2, last: 3, health: "Healthy", sync: "Failed", message: "release 3 failed; release 2 is back", addresses: ["http://127.0.0.1:30080"], conditions: [{ type: "Contested", status: "True", message: `Deployment/hello: /spec/replicas ${planted}` }, { type: "Applied", status: "True", message: "usual" }], drift: [{ kind: "Deployment", name: "hello", fields: ["/spec/replicas"], managers: ["kubectl-edit"], healed: true, lastSeen: at(3), count: 1 }], inventory: [{ group: "apps", version: "v1", kind: "Deployment", namespace: "default", name: "hello", health: "Current" }, { version: "v1", kind: "Service", namespace: "default", name: "hello", health: "Current" }] },
    }, { metadata: meta("production", 3000), spec: { source: { repository: "hello" }, sync: "manual", promotion: { from: "hello", approvals: 1 } }, status: { health: "Healthy", sync: "Synced" } }, ...many(2999, planted)],
    releases: [release(3, "Failed", { reason: "readiness probe of Deployment/hello failed", rolledBackTo: 2, evidence: [{ kind: "event", object: "Pod/hello-1", text: `Readiness probe failed ${planted}` }] }), release(2, "Healthy"), release(1, "Healthy")] as Object_[],
  };
}

/** ticking is the log of a job that prints slowly and is not over. */
function ticking(res: ServerResponse) {
  let n = 0;
  const id = setInterval(() => res.write(`tick ${++n}\n`), 200);
  res.on("close", () => clearInterval(id));
}

function log(job: string): string {
  if (job === "unit") return `\x1b[0Ksection_start:100:prepare[collapsed=true]\r\x1b[0KPreparing\nhidden inside\n\x1b[0Ksection_end:104:prepare\r\x1b[0Kafterwards\n`;
  if (job !== "build") return `$ make ${job}\n\x1b[31mred\x1b[0m and ${planted}\n`;
  return Array.from({ length: 5000 }, (_, i) => `line ${i + 1}${i === 4321 ? " needle" : ""}`).join("\n") + "\n";
}

export async function start(dist: string, port = 0): Promise<{ url: string; asked: string[]; stop: () => Promise<void> }> {
  const state = data();
  const streams = new Set<ServerResponse>();
  const asked: string[] = [];
  const tell = (kind: string, object: unknown) => {
    for (const s of streams) s.write(`data: ${JSON.stringify({ kind, type: "MODIFIED", object })}\n\n`);
  };
  const json = (res: ServerResponse, body: unknown, code = 200) => {
    res.writeHead(code, { "Content-Type": "application/json" });
    res.end(JSON.stringify(body));
  };
  const body = async (req: IncomingMessage) => {
    let text = "";
    for await (const chunk of req) text += chunk;
    return text ? (JSON.parse(text) as Record<string, unknown>) : {};
  };

  async function api(req: IncomingMessage, res: ServerResponse, url: URL): Promise<void> {
    const path = decodeURIComponent(url.pathname);
    if (path === "/api/v1/session" && req.method === "POST") {
      if ((await body(req)).token !== token) return json(res, { error: { message: "unauthorized" } }, 401);
      res.setHeader("Set-Cookie", "slipway_session=yes; Path=/; HttpOnly; SameSite=Strict");
      return json(res, { name: "admin" });
    }
    if (!req.headers.cookie?.includes("slipway_session=yes")) return json(res, { error: { message: "unauthorized" } }, 401);
    if (path === "/api/v1/session") {
      res.setHeader("Set-Cookie", "slipway_session=; Path=/; Max-Age=0");
      res.writeHead(204).end();
      return;
    }
    if (path === "/api/v1/namespaces") return json(res, { items: ["default"] });
    if (path === "/api/v1/whoami") return json(res, { name: "admin" });
    if (path === "/api/v1/status") return json(res, { ready: true, components: [{ name: "apiserver", ready: true, message: "v1.37.2", since: at(60) }] });
    if (path.startsWith("/prometheus/")) {
      const answer = metrics(path, url.searchParams, planted);
      return json(res, answer.body, answer.code);
    }
    if (path.startsWith("/elastic/")) return json(res, lines((await body(req)) as unknown as Parameters<typeof lines>[0], planted));
    if (path === `${ns}/dashboards/sales_1`) return json(res, board("/api/v1/dashboards/everything", null, planted));
    if (path.startsWith("/api/v1/dashboards")) {
      const answer = board(path, url.searchParams.get("source"), planted);
      return answer ? json(res, answer) : json(res, { error: { message: "dashboard: not found" } }, 404);
    }
    if (path === `${ns}/watch`) {
      res.writeHead(200, { "Content-Type": "text/event-stream" }).flushHeaders();
      streams.add(res);
      req.on("close", () => streams.delete(res));
      return;
    }
    if (path === `${ns}/logs/overview`) {
      const facets = [{ field: "pod", values: [{ value: "hello-1", count: 3 }, { value: planted, count: 1 }] }];
      return json(res, { buckets: [{ time: at(2), count: 3 }, { time: at(1), count: 1 }], facets });
    }
    if (path === `${ns}/logs/context`) {
      res.writeHead(200, { "Content-Type": "application/x-ndjson" });
      for (const _msg of ["the line before", `hello ${planted}`, "the line after"]) res.write(`${JSON.stringify({ _time: at(1), _msg, pod: "hello-1", container: "hello" })}\n`);
      res.end();
      return;
    }
    if (path === `${ns}/logs`) {
      res.writeHead(200, { "Content-Type": "application/x-ndjson" });
      res.end(`${JSON.stringify({ _time: at(1), _msg: `\x1b[32mhello\x1b[0m ${planted}`, pod: "hello-1", container: "hello" })}\n`);
      return;
    }
    if (path === `${ns}/variables` && req.method === "POST") {
      const v = await body(req);
      state.variables.push({ ...v, value: undefined });
      res.writeHead(204).end();
      return;
    }
    if (path === `${ns}/alerts`) {
      const of = url.searchParams.get("application");
      return json(res, { items: state.alerts.filter((a) => !of || a.labels.application === of).map((a) => ({ ...a, state: state.silences.length ? "suppressed" : "active" })) });
    }
    if (path === `${ns}/silences` && req.method === "POST") {
      const s = { ...(await body(req)), id: "5f1c", createdBy: "admin", state: "active" };
      state.silences.push(s);
      return json(res, s, 201);
    }
    if (path === `${ns}/silences`) return json(res, { items: state.silences });
    if (path === `${ns}/silences/5f1c`) {
      state.silences.pop();
      return void res.writeHead(204).end();
    }
    if (path === `${ns}/variables`) return json(res, { items: state.variables });
    const m = new RegExp(`^${ns}/(repositories|runs|applications|applicationsets|promotions|schedules|environments)(?:/([^/]+)(?:/(.+))?)?$`).exec(path);
    if (!m) return json(res, { error: { message: `no route ${path}` } }, 404);
    const [, kind, name, rest] = m;
    const items: Object_[] = state[kind as "runs"];
    if (!name && kind === "applications" && req.method === "POST") {
      const made = (await body(req)) as { metadata: { name: string }; spec: Record<string, unknown> };
      asked.push(`POST applications ${JSON.stringify(made)}`);
      if (made.metadata.name.includes("..")) return json(res, { error: { message: `application ${made.metadata.name}: metadata.name: no ${planted}`, fields: [{ field: "metadata.name", message: `no name ${planted}` }] } }, 422);
      state.applications.push({ metadata: meta(made.metadata.name), spec: made.spec, status: { health: "Unknown", sync: "Unknown" } } as never);
      return json(res, made, 201);
    }
    if (!name) return json(res, kind === "applications" ? page(state.applications, url.searchParams) : { items });
    const found = items.find((o) => o.metadata.name === name);
    if (!found) return json(res, { error: { message: `${kind} "${name}" not found` } }, 404);
    if (!rest && req.method === "PATCH") {
      const change = await body(req);
      asked.push(`PATCH ${name} ${JSON.stringify(change)}`);
      const { source, ...others } = change.spec as { source?: object };
      const spec = found.spec as { source: object };
      Object.assign(spec, others, { source: { ...spec.source, ...source } });
      found.metadata.resourceVersion = String(++version);
      tell("Application", found);
      return json(res, found);
    }
    if (!rest && req.method === "DELETE") {
      items.splice(items.indexOf(found), 1);
      asked.push(`DELETE ${name} ${url.search}`);
      return void res.writeHead(204).end();
    }
    if (!rest) return json(res, found);
    if (rest === "tree" && url.searchParams.has("watch")) {
      // It is not ready at first, and that changes while one looks.
      res.writeHead(200, { "Content-Type": "text/event-stream" });
      res.write(`data: ${JSON.stringify({ items: tree(false, planted) })}\n\n`);
      const id = setTimeout(() => res.write(`data: ${JSON.stringify({ items: tree(true, planted) })}\n\n`), 1500);
      res.on("close", () => clearTimeout(id));
      return;
    }
    if (rest === "object") {
      const answer = object(url.searchParams, planted);
      return answer ? json(res, answer) : json(res, { error: { message: "not found" } }, 404);
    }
    if (rest === "preview") return res.end(`configured Deployment/hello\n--- live\n+++ desired\n+# ${url.search}\n`) as unknown as void;
    if (kind === "promotions" || rest === "sync" || rest === "promote" || rest === "refresh") {
      asked.push(`${rest} ${name} ${JSON.stringify(await body(req))}`);
      if (kind === "promotions") {
        (found.status as { phase: string }).phase = rest === "approve" ? "Promoted" : "Rejected";
        found.metadata.resourceVersion = String(++version);
        tell("Promotion", found);
      }
      return void res.writeHead(204).end();
    }
    if (kind === "repositories" && req.method === "GET") {
      const answer = repository(planted, rest, url.searchParams);
      return answer ? json(res, answer) : json(res, { error: { message: `no route ${path}` } }, 404);
    }
    if (rest === "dashboard") return json(res, shipped["app/default/hello"]);
    if (rest === "tests") return json(res, { run: name, previous: "hello-1199", coverage: "80.00", previousCoverage: "75.50", broken: [{ job: "unit", name: `breaks ${planted}`, class: "Sum", status: "failed", message: "3 is not 4" }] });
    if (rest === "releases") return json(res, { items: state.releases });
    if (rest === "diff") return res.end("--- live\n+++ desired\n-a\n+b\n") as unknown as void;
    const l = /^jobs\/(.+)\/log$/.exec(rest);
    if (l) {
      res.writeHead(200, { "Content-Type": "text/plain; charset=utf-8" });
      if (l[1] === "deploy") return ticking(res);
      res.end(log(l[1]));
      return;
    }
    if (/^jobs\/.+\/artifacts\/index$/.test(rest)) return json(res, { entries: [{ path: "out", size: 0, mode: "drwxr-xr-x", directory: true }, { path: `out/${planted}.txt`, size: 4096, mode: "-rw-r--r--" }] });
    if (/^jobs\/.+\/tests$/.test(rest)) {
      return json(res, {
        counts: { total: 3, failed: 1, skipped: 1, errors: 0, seconds: "0.300" },
        cases: [
          { name: "adds", class: "Sum", status: "passed", seconds: 0.1 },
          { name: `breaks ${planted}`, class: "Sum", status: "failed", seconds: 0.2, message: "3 is not 4" },
          { name: "later", status: "skipped" },
        ],
      });
    }
    if (rest === "jobs/promote/play" && (await body(req)).approve) {
      const job = (found.status as { jobs: { name: string; approvedBy?: string }[] }).jobs.find((j) => j.name === "promote");
      if (job) job.approvedBy = "admin";
      found.metadata.resourceVersion = String(++version);
      tell("Run", found);
    }
    if (rest === "rerun" && req.method === "POST") {
      const status = found.status as { jobs: { name: string; phase: string }[] };
      const { from } = await body(req);
      for (const j of status.jobs) if (j.name === from) j.phase = "Running";
      found.metadata.resourceVersion = String(++version);
      tell("Run", found);
    }
    if (kind === "applications" && (rest === "rollback" || rest === "unpin")) {
      const app = state.applications[0];
      const release = rest === "rollback" ? Number((await body(req)).release) : 0;
      app.spec.pin = release;
      app.status.sync = release ? "Pinned" : "Synced";
      if (release) app.status.current = release;
      app.metadata.resourceVersion = String(++version);
      tell("Application", app);
    }
    res.writeHead(204).end();
  }

  async function file(res: ServerResponse, path: string): Promise<void> {
    const types: Record<string, string> = { ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html; charset=utf-8" };
    const name = extname(path) in types ? path : "/index.html";
    res.writeHead(200, { "Content-Type": types[extname(name)], "Content-Security-Policy": policy });
    res.end(await readFile(join(dist, normalize(name))));
  }

  const server: Server = createServer((req, res) => {
    const url = new URL(req.url ?? "/", "http://localhost");
    const done = url.pathname.startsWith("/api/") || /^\/(prometheus|elastic)\//.test(url.pathname) ? api(req, res, url) : file(res, url.pathname);
    done.catch((e: unknown) => {
      if (!res.headersSent) res.writeHead(500);
      res.end(String(e));
    });
  });
  await new Promise<void>((ok) => server.listen(port, "127.0.0.1", ok));
  return {
    asked,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((ok) => server.close(ok));
    },
  };
}
