import { expect, test } from "vitest";
import type { Alert, Delivery, Job } from "../types";
import { matchersOf, severe } from "./alerts";
import { logQuery } from "./applogs";
import { notes } from "./appstate";
import { standsFor } from "./appsets";
import { exposed } from "./artifacts";
import { given, meant, shown } from "./asked";
import { can, testLine } from "./job";
import { files } from "./artifacts";
import { about, acts, outside, pretty } from "./mergerequests";
import { inputs, variables } from "./start";
import { worstFirst } from "./tests";

const job = (more: Partial<Job>): Job => ({ name: "j", phase: "Pending", ...more });

test("what can be done with a job", () => {
  expect(can(job({}))).toEqual({ play: false, unplay: false, cancel: false, retry: false });
  expect(can(job({ manual: true })).play).toBe(true);
  expect(can(job({ startAt: "2026-01-01T00:00:00Z" }))).toEqual({ play: true, unplay: true, cancel: false, retry: false });
  expect(can(job({ phase: "Running", manual: true }))).toEqual({ play: false, unplay: false, cancel: true, retry: false });
  expect(can(job({ phase: "Failed" })).retry).toBe(true);
  expect(can(job({ phase: "Skipped" })).retry).toBe(false);
});

test("what a job asks to be linked: its one file, or all that it kept", () => {
  expect(exposed("r", job({ exposed: { name: "x", path: "a b/c.html" } }))).toMatch(/\/runs\/r\/jobs\/j\/artifacts\/file\?path=a%20b%2Fc.html$/);
  expect(exposed("r", job({ exposed: { name: "x" } }))).toMatch(/\/jobs\/j\/artifacts$/);
});

test("lines of variables", () => {
  expect(variables("A=1\n\n B =x=y\nC=\n")).toEqual({ A: "1", B: "x=y", C: "" });
  expect(() => variables("oops")).toThrow("oops");
});

test("lines of inputs: JSON where it is, text where it is not", () => {
  expect(inputs('a=1\n\nb=true\nc=plain text\nd=["x"]\ne="1"\n')).toEqual({ a: 1, b: true, c: "plain text", d: ["x"], e: "1" });
  expect(() => inputs("oops")).toThrow("oops");
});

test("what a file asks for is sent where somebody changed it, by its type", () => {
  const form = { ref: "r", commit: "c", variables: [{ name: "TARGET", options: ["a", "b"] }, { name: "LEFT", value: "x" }], inputs: [{ name: "n", type: "number" }, { name: "s", type: "string" }, { name: "l", type: "array", default: ["x"] }] };
  expect(given(form, { variables: { TARGET: "b", GONE: "x" }, inputs: { n: "7", s: "7" } })).toEqual({ variables: { TARGET: "b" }, inputs: { n: 7, s: "7" } });
  expect(given(undefined, { variables: { A: "b" }, inputs: {} })).toEqual({ variables: {}, inputs: {} });
  expect(meant({ name: "l", type: "array" }, shown(form.inputs[2].default))).toEqual(["x"]);
  expect(meant({ name: "n", type: "number" }, "many")).toBe("many"); // the server says why not
});

test("directories of an archive are no files", () => {
  expect(files({})).toEqual([]);
  expect(files({ entries: [{ path: "a", size: 0, directory: true }, { path: "a/b", size: 1 }] }).map((f) => f.path)).toEqual(["a/b"]);
});

test("tests: counts, and the failed ones first", () => {
  expect(testLine(undefined)).toBe("");
  expect(testLine({ total: 4, failed: 1, skipped: 0, errors: 1 })).toBe("2 of 4 tests failed");
  expect(testLine({ total: 4, failed: 0, skipped: 1, errors: 0 })).toBe("3 tests passed, 1 skipped");
  expect(worstFirst([{ name: "a", status: "passed" }, { name: "b", status: "skipped" }, { name: "c", status: "error" }]).map((c) => c.name)).toEqual(["c", "b", "a"]);
});

test("links to forges lead to pages only", () => {
  expect(outside("https://forge.example/pull/7")).toBe("https://forge.example/pull/7");
  for (const bad of ["javascript:alert(1)", " https://x", "data:text/html,x", "//x", "", undefined]) expect(outside(bad)).toBeUndefined();
});

test("webhook deliveries", () => {
  const d = (more: Partial<Delivery>): Delivery => ({ number: 1, forge: "github", id: "x", event: { name: "push" }, size: 1, received: "2026-01-01T00:00:00Z", ...more });
  expect(about(d({ event: { name: "push", refs: [{ name: "refs/heads/a/b" }, { name: "refs/tags/v1" }] } }))).toBe("a/b v1");
  expect(about(d({ event: { name: "x", mergeRequest: { number: 7, source: "a", target: "b", state: "merged", updated: "" } } }))).toBe("!7 merged");
  expect([d({}), d({ outcome: "done" }), d({ outcome: "failed" }), d({ outcome: "ignored" }), d({ outcome: "refused" })].map(acts)).toEqual([true, true, true, false, false]);
  expect(pretty('{"a":1}')).toBe('{\n  "a": 1\n}');
  expect(pretty("<script>")).toBe("<script>");
});

test("a query for the lines of an application is not changed by names or words", () => {
  expect(logQuery("web", "", "", "")).toBe('application:="web"');
  expect(logQuery("web", "web-1", "side", " error ")).toBe('application:="web" pod:="web-1" container:="side" error');
  expect(logQuery('a" or *', "", "", "")).toBe('application:="a\\" or *"');
});

test("what stands out about an application", () => {
  const app = { metadata: { name: "a" }, spec: { source: {} }, status: { conditions: [{ type: "Applied", status: "True", message: "x" }, { type: "Drifted", status: "True", message: "y" }, { type: "Contested", status: "False" }, { type: "InputsFound", status: "True" }, { type: "SourceFound", status: "False", message: "z" }] } };
  expect(notes(app)).toEqual([{ type: "Drifted", message: "y" }, { type: "SourceFound", message: "z" }]);
  expect(standsFor({ name: "x", phase: "Running", number: 7, branch: "b" })).toBe("!7 b");
  expect(standsFor({ name: "x", phase: "Running", directory: "apps/web" })).toBe("apps/web");
});

test("alerts: the worst first, the silenced last, and what silences one", () => {
  const alert = (severity: string, startsAt: string, state = "active"): Alert => ({ labels: { severity, alertname: severity + startsAt }, startsAt, state });
  const all = [alert("info", "1"), alert("critical", "1", "suppressed"), alert("", "0"), alert("warning", "3"), alert("critical", "2"), alert("critical", "1")];
  expect(all.sort(severe).map((a) => a.labels.alertname + a.state)).toEqual(["critical1active", "critical2active", "warning3active", "info1active", "0active", "critical1suppressed"]);
  expect(matchersOf(alert("info", "1"))).toEqual(["alertname=info1", "severity=info"]);
});
