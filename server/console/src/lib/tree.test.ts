import { expect, test } from "vitest";
import { branches, keyOf, queryOf, type TreeNode } from "./tree";

const node = (id: string, parent?: string): TreeNode => ({ version: "v1", kind: "K", name: id, id, parent });
const nodes = [node("a"), node("b", "a"), node("c", "b"), node("d", "a"), node("e")];

test("branches have a depth and count what is below them", () => {
  expect(branches(nodes, new Set()).map((b) => [b.node.id, b.depth, b.below])).toEqual([["a", 0, 3], ["b", 1, 1], ["c", 2, 0], ["d", 1, 0], ["e", 0, 0]]);
});

test("what is below a closed branch is hidden, however deep, and counted", () => {
  expect(branches(nodes, new Set(["a"])).map((b) => [b.node.id, b.below])).toEqual([["a", 3], ["e", 0]]);
  expect(branches(nodes, new Set(["b"])).map((b) => b.node.id)).toEqual(["a", "b", "d", "e"]);
});

test("an object in an address", () => {
  const o = { group: "apps", version: "v1", kind: "Deployment", namespace: "n", name: "web" };
  expect(keyOf(o)).toBe("apps/Deployment/n/web");
  expect(Object.fromEntries(queryOf(keyOf(o)) ?? [])).toEqual({ group: "apps", kind: "Deployment", namespace: "n", name: "web" });
  expect(queryOf("nonsense")).toBeUndefined();
});
