import { expect, test } from "vitest";
import type { Application } from "../types";
import { ApiError } from "./api";
import { changes, made, refusals, valuesOf } from "./appspec";

const app = {
  metadata: { name: "shop" },
  spec: { source: { repository: "shop", path: "deploy" }, sync: "pipeline", namespace: "web", healthDeadline: "10m0s", syncOptions: { prune: false, drift: "report" }, needs: ["store"] },
} as unknown as Application;

test("an application's values, and those of a new one", () => {
  expect(valuesOf(app)).toMatchObject({ name: "shop", repository: "shop", follows: "branch", revision: "", path: "deploy", namespace: "web", sync: "pipeline", prune: false, heal: false, healthDeadline: "10m" });
  expect(valuesOf()).toMatchObject({ name: "", sync: "push", prune: true, heal: true, createNamespace: false, healthDeadline: "" });
});

test("what was not touched is not sent, and what was emptied is taken away", () => {
  const before = valuesOf(app);
  expect(changes(before, before)).toEqual({});
  expect(changes({ ...before, revision: " main ", path: "", healthDeadline: "15m", prune: true, heal: true }, before)).toEqual({ source: { branch: "main", path: null }, healthDeadline: "15m", syncOptions: { prune: true, drift: "heal" } });
});

test("one of a branch, a tag, a range and a commit is followed", () => {
  const tagged = valuesOf({ ...app, spec: { ...app.spec, source: { repository: "shop", tag: "v1" } } });
  expect([tagged.follows, tagged.revision]).toEqual(["tag", "v1"]);
  expect(changes({ ...tagged, revision: "v2" }, tagged)).toEqual({ source: { tag: "v2" } });
  expect(changes({ ...tagged, follows: "semver", revision: "1.x" }, tagged)).toEqual({ source: { tag: null, semver: "1.x" } });
  expect(changes({ ...tagged, follows: "branch", revision: "" }, tagged)).toEqual({ source: { tag: null } });
  expect(changes({ ...valuesOf(app), follows: "tag" }, valuesOf(app))).toEqual({});
});

test("a new one has what was given", () => {
  expect(made({ ...valuesOf(), name: "shop ", repository: "shop" })).toEqual({ metadata: { name: "shop" }, spec: { source: { repository: "shop" }, sync: "push" } });
  expect(made({ ...valuesOf(), name: "x", prune: false, namespace: "web", createNamespace: true }).spec).toEqual({ source: {}, sync: "push", namespace: "web", syncOptions: { prune: false, createNamespace: true } });
});

test("what the server refuses is said at its field", () => {
  const error = new ApiError(422, "all of it", undefined, [{ field: "spec.sync", message: "no such" }, { field: "metadata.name", message: "bad" }, { field: "spec.source", message: "give source.repository" }, { field: "spec.source", message: "give one of source.branch, tag" }, { field: "spec.windows[0].kind", message: "other" }]);
  expect(refusals(error)).toEqual({ sync: "no such", name: "bad", repository: "give source.repository", revision: "give one of source.branch, tag" });
  expect(refusals(new Error("x"))).toEqual({});
});
