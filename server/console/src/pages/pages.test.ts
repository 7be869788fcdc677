import { expect, test } from "vitest";
import type { Job } from "../types";
import { can, testLine } from "./job";
import { variables } from "./start";
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

test("lines of variables", () => {
  expect(variables("A=1\n\n B =x=y\nC=\n")).toEqual({ A: "1", B: "x=y", C: "" });
  expect(() => variables("oops")).toThrow("oops");
});

test("tests: counts, and the failed ones first", () => {
  expect(testLine(undefined)).toBe("");
  expect(testLine({ total: 4, failed: 1, skipped: 0, errors: 1 })).toBe("2 of 4 tests failed");
  expect(testLine({ total: 4, failed: 0, skipped: 1, errors: 0 })).toBe("3 tests passed, 1 skipped");
  expect(worstFirst([{ name: "a", result: "passed" }, { name: "b", result: "skipped" }, { name: "c", result: "error" }]).map((c) => c.name)).toEqual(["c", "b", "a"]);
});
