import { expect, test } from "vitest";
import { given, reached, Unreachable } from "./api";

test("a link from elsewhere names a namespace, and nothing else", () => {
  expect(given("?namespace=shop")).toBe("shop");
  for (const other of ["", "?x=1", "?namespace=", "?namespace=../admin", "?namespace=Shop", `?namespace=${"a".repeat(64)}`, "?namespace=a-"]) expect(given(other)).toBeUndefined();
});

/** asking fails so often before it is answered. */
function asking(times: number, error: unknown = new TypeError("Failed to fetch")) {
  let n = 0;
  return { ask: async () => (n++ < times ? Promise.reject(error) : new Response("yes")), asked: () => n };
}

test("what only reads is asked again when nobody answered", async () => {
  const network = asking(2);
  expect(await (await reached(network.ask, true)).text()).toBe("yes");
  expect(network.asked()).toBe(3);
  const gone = asking(9);
  await expect(reached(gone.ask, true)).rejects.toBeInstanceOf(Unreachable);
  expect(gone.asked()).toBe(4);
});

test("what changes something is asked once, and what was called off no more", async () => {
  const change = asking(1);
  await expect(reached(change.ask, false)).rejects.toBeInstanceOf(Unreachable);
  expect(change.asked()).toBe(1);
  const off = asking(1, new DOMException("off", "AbortError"));
  await expect(reached(off.ask, true)).rejects.toThrow("off");
  const abort = new AbortController();
  const late = asking(1);
  const answer = reached(late.ask, true, abort.signal);
  abort.abort();
  await expect(answer).rejects.toThrow(/abort/i);
  expect(late.asked()).toBe(1);
});
