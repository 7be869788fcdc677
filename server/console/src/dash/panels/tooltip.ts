// What is below the pointer, written next to it.
import type uPlot from "uplot";
import { language } from "../../i18n";

export interface Under {
  /** which line of the plot it is */
  at: number;
  name: string;
  color: string;
  value: number | null | undefined;
  text: string;
}

const most = 12;

/** tooltip writes text only, and sets colours as properties: names are hostile. */
export function tooltip(under: (i: number) => Under[], utc: boolean): uPlot.Plugin {
  const box = document.createElement("div");
  box.className = "tip";
  box.hidden = true;
  const when = new Intl.DateTimeFormat(language(), { dateStyle: "medium", timeStyle: "medium", ...(utc ? { timeZone: "UTC" } : {}) });
  const row = (u: Under): HTMLElement => {
    const line = document.createElement("div");
    const key = document.createElement("i");
    key.style.background = u.color;
    const name = document.createElement("span");
    name.textContent = u.name;
    const value = document.createElement("b");
    value.textContent = u.text;
    line.append(key, name, value);
    return line;
  };
  return {
    hooks: {
      init: [(u) => void u.over.append(box)],
      setCursor: [
        (u) => {
          const i = u.cursor.idx;
          // A pointer over another panel moves the line here too, but is not here.
          const list = i === null || i === undefined || !u.over.matches(":hover") ? [] : under(i).filter((x) => typeof x.value === "number" && u.series[x.at + 1]?.show);
          box.hidden = !list.length;
          if (!list.length) return;
          const head = document.createElement("div");
          head.textContent = when.format(new Date((u.data[0][i as number] ?? 0) * 1000));
          list.sort((a, b) => (b.value ?? 0) - (a.value ?? 0));
          box.replaceChildren(head, ...list.slice(0, most).map(row), ...(list.length > most ? [`+${list.length - most}`] : []));
          const [left, width] = [u.cursor.left ?? 0, u.over.clientWidth];
          box.style.left = left < width / 2 ? `${left + 14}px` : "";
          box.style.right = left < width / 2 ? "" : `${width - left + 14}px`;
        },
      ],
    },
  };
}
