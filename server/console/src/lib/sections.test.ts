import { expect, test } from "vitest";
import { rows } from "./sections";

const start = (time: number, name: string, options = "") => `\x1b[0Ksection_start:${time}:${name}${options}\r\x1b[0K`;
const end = (time: number, name: string) => `\x1b[0Ksection_end:${time}:${name}\r\x1b[0K`;
const shown = (lines: string[], toggled: string[] = [], all = false) => rows(lines, new Set(toggled), all).map((r) => `${r.depth}${r.section ? (r.section.open ? "-" : "+") : " "}${r.text}`);

const log = ["before", `${start(10, "a")}Head`, "in a", `${start(11, "b", "[collapsed=true]")}Inner`, "in b", end(14, "b"), `${end(15, "a")}after`];

test("sections fold, markers vanish", () => {
  expect(shown(log)).toEqual(["0 before", "0-Head", "1 in a", "1+Inner", "0 after"]);
  expect(shown(log, ["3:b"])).toEqual(["0 before", "0-Head", "1 in a", "1-Inner", "2 in b", "0 after"]);
  expect(shown(log, ["1:a"])).toEqual(["0 before", "0+Head", "0 after"]);
  expect(shown(log, [], true)).toHaveLength(6);
  const head = rows(log, new Set())[1];
  expect(head.section?.seconds).toBe(5);
  expect(head.at).toBe(1);
});

test("markers that do not fit lose no line", () => {
  expect(shown([end(1, "x"), "a", `${start(2, "open")}never closed`, "b"])).toEqual(["0 a", "0-never closed", "1 b"]);
  expect(shown([`text with section_start in it`])).toEqual(["0 text with section_start in it"]);
  expect(shown([`${end(3, "a")}${start(4, "b")}B`, "x"])).toEqual(["0-B", "1 x"]);
  expect(shown([`${start(1, "a")}${end(2, "a")}both`])).toEqual(["0 both"]);
});

test("many lines are quick", () => {
  const lines = Array.from({ length: 200_000 }, (_, i) => `line ${i}`);
  expect(rows(lines, new Set())).toHaveLength(200_000);
});
