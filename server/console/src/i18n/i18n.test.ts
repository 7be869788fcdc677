import { expect, test } from "vitest";
import { apps } from "./apps.en";
import { dash } from "./dash.en";
import { en } from "./en";
import { zh } from "./zh";
import { pick, t, word } from ".";

test("both languages have the same keys and the same blanks", () => {
  expect(Object.keys(zh).sort()).toEqual(Object.keys(en).sort());
  for (const [key, text] of Object.entries(en)) {
    const blanks = (s: string) => (s.match(/\{\w+\}/g) ?? []).sort();
    expect(blanks(zh[key as keyof typeof zh]), key).toEqual(blanks(text));
    expect(zh[key as keyof typeof zh].trim(), key).not.toBe("");
  }
});

test("no part of the texts hides another's", () => {
  for (const [key, text] of Object.entries({ ...apps, ...dash })) expect(en[key as keyof typeof en], key).toBe(text);
  expect(Object.keys(apps).filter((key) => key in dash)).toEqual([]);
});

test("the choice wins over the browser", () => {
  expect(pick(null, ["de", "zh-TW", "en"])).toBe("zh-CN");
  expect(pick("en", ["zh-CN"])).toBe("en");
  expect(pick(null, ["de"])).toBe("en");
});

test("blanks are filled, unknown words stay", () => {
  expect(t("showing", { from: 1, to: 2, total: 3 })).toContain("3");
  expect(word("Succeeded")).toBe("Succeeded");
  expect(word("toString")).toBe("toString");
});
