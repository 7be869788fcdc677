import { expect, test } from "vitest";
import { parse, strip } from "./ansi";

test("colours become classes and carry over to the next line", () => {
  const first = parse("a \x1b[1;31mred");
  expect(first.spans).toEqual([{ text: "a ", classes: "" }, { text: "red", classes: "fg-red bold" }]);
  expect(parse("still\x1b[0m not", first.style).spans).toEqual([{ text: "still", classes: "fg-red bold" }, { text: " not", classes: "" }]);
  expect(parse("\x1b[92mx").spans[0].classes).toBe("fg-bright-green");
  expect(parse("\x1b[38;5;196mx").spans[0].classes).toBe("fg-bright-red");
  expect(parse("\x1b[48;2;0;0;255mx").spans[0].classes).toBe("bg-bright-blue");
  expect(parse("\x1b[mx").spans[0].classes).toBe("");
});

test("markup stays text", () => {
  expect(parse("<img src=x onerror=alert(1)>").spans).toEqual([{ text: "<img src=x onerror=alert(1)>", classes: "" }]);
});

test("other sequences and control characters vanish", () => {
  expect(strip("\x1b[2J\x1b[1;1Hx\x1b]0;title\x07y\x1b]8;;http://evil\x1b\\z\x00\x08\x1b(B!")).toBe("xyz!");
  expect(strip("a\tb")).toBe("a\tb");
  expect(strip("end\x1b[")).not.toContain("\x1b");
  expect(strip("\u202eevil")).toBe("\ufffdevil");
});

test("a carriage return shows the last state", () => {
  expect(strip("10%\r50%\r100%\r")).toBe("100%");
  expect(strip("line\r")).toBe("line");
});
