import { expect, test } from "vitest";
import { given } from "./api";

test("a link from elsewhere names a namespace, and nothing else", () => {
  expect(given("?namespace=shop")).toBe("shop");
  for (const other of ["", "?x=1", "?namespace=", "?namespace=../admin", "?namespace=Shop", `?namespace=${"a".repeat(64)}`, "?namespace=a-"]) expect(given(other)).toBeUndefined();
});
