import { expect, test } from "vitest";
import type { Job } from "../types";
import { layers, layout } from "./graph";

const job = (name: string, ...needs: string[]): Job => ({ name, needs, phase: "Pending" });
const names = (jobs: Job[]) => layers(jobs).map((c) => c.map((j) => j.name));

test("every job stands right of what it needs", () => {
  expect(names([job("deploy", "build", "test"), job("build"), job("test", "build")])).toEqual([["build"], ["test"], ["deploy"]]);
});

test("needs of a job that is not there, of itself, and cycles do not hang", () => {
  expect(names([job("a", "gone"), job("b", "b")]).flat().sort()).toEqual(["a", "b"]);
  expect(names([job("a", "b"), job("b", "a")]).flat().sort()).toEqual(["a", "b"]);
  expect(layout([job("a", "b"), job("b", "a")]).nodes).toHaveLength(2);
});

test("edges that a longer way implies are not drawn", () => {
  const l = layout([job("a"), job("b", "a"), job("c", "a", "b")]);
  expect(l.edges.map((e) => `${e.from}>${e.to}`).sort()).toEqual(["a>b", "b>c"]);
});

test("nodes never overlap, also with many jobs", () => {
  const jobs = [job("first"), ...Array.from({ length: 200 }, (_, i) => job(`j${i}`, "first")), job("last", ...Array.from({ length: 200 }, (_, i) => `j${i}`))];
  const l = layout(jobs);
  const seen = new Set(l.nodes.map((n) => `${n.x}/${n.y}`));
  expect(seen.size).toBe(202);
  expect(l.nodes.every((n) => n.y >= 0 && n.y < l.height && n.x < l.width)).toBe(true);
});
