import { expect, test } from "vitest";
import { known } from "./logrows";

test("a line that was there when the stream broke off is not shown twice", () => {
  const row = (_time: string, _msg: string, pod = "a") => ({ _time, _msg, pod });
  const held = [row("1", "x"), row("2", "y"), row("2", "z")];
  expect([known(held, row("2", "y")), known(held, row("2", "z")), known(held, row("2", "y", "b")), known(held, row("3", "z")), known(held, row("1", "x"))]).toEqual([true, true, false, false, false]);
  expect(known([], row("1", "x"))).toBe(false);
});
