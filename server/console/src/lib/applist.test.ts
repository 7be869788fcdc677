import { expect, test, vi } from "vitest";

vi.stubGlobal("window", { setTimeout: () => 1 });
const { addressOf, filterOf, questionOf } = await import("./applist");

test("a filter has an address, and an address a filter", () => {
  const f = { q: "web & more", health: "Degraded", sync: "Failed", repository: "shop", all: true, failing: true };
  expect(filterOf(new URL(`http://x${addressOf(f)}`).searchParams)).toEqual(f);
  expect(addressOf({})).toBe("/applications");
  expect(filterOf(new URLSearchParams("q=&other=1"))).toEqual({});
});

test("what the server is asked", () => {
  expect(questionOf({ q: "a b" }, 50)).toBe("/api/v1/namespaces/default/applications?limit=50&brief=true&q=a+b");
  expect(questionOf({ all: true }, 10, "x=")).toBe("/api/v1/applications?limit=10&brief=true&continue=x%3D");
});
