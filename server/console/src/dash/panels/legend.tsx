// Names of the series, with what was calculated of each; a click shows one alone.
import { t } from "../../i18n";
import type { Key } from "../../i18n/en";
import { calc } from "../data";
import type { Field } from "../field";
import type { In } from "../json";
import type { Destination } from "../links";
import { Leading } from "./leads";

export interface Item {
  name: string;
  color: string;
  values: (number | null)[];
  field: Field;
  refId: string;
  links: Destination[];
}

const names = new Map<string, Key>([
  ["last", "calcLast"], ["lastNotNull", "calcLast"], ["first", "calcFirst"], ["firstNotNull", "calcFirst"], ["min", "calcMin"], ["max", "calcMax"],
  ["mean", "calcMean"], ["sum", "calcSum"], ["count", "calcCount"], ["range", "calcRange"], ["delta", "calcDelta"], ["diff", "calcDelta"], ["median", "calcMedian"],
]);

export function calcName(name: string): string {
  const key = names.get(name);
  return key ? t(key) : name;
}

export function Legend({ options, items, only, choose }: { options: In; items: Item[]; only: number | undefined; choose: (i: number) => void }) {
  if (!options.get("showLegend").bool(true) || options.get("displayMode").str() === "hidden" || !items.length) return null;
  const calcs = options.get("calcs").strs(10, 40);
  const shown = items.map((item, i) => ({ item, i })).filter(({ item }) => !item.field.custom("hideFrom").get("legend").bool());
  const key = ({ item, i }: (typeof shown)[number]) => (
    <button type="button" class={only === undefined || only === i ? "key" : "key off"} aria-pressed={only === i} title={item.name} onClick={() => choose(i)}>
      <i style={{ background: item.color }} />
      <span>{item.name}</span>
    </button>
  );
  const value = (item: Item, c: string) => item.field.text(calc(c, item.values));
  if (options.get("displayMode").str() === "table") {
    return (
      <div class="legend scroll" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">{t("name")}</th>
              {calcs.map((c) => (
                <th key={c} scope="col" class="number">
                  {calcName(c)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((s) => (
              <tr key={s.i}>
                <td>
                  {key(s)}
                  <Leading links={s.item.links} />
                </td>
                {calcs.map((c) => (
                  <td key={c} class="number">
                    {value(s.item, c)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    );
  }
  return (
    <ul class="legend">
      {shown.map((s) => (
        <li key={s.i}>
          {key(s)}
          <Leading links={s.item.links} />
          {calcs.map((c) => (
            <small key={c}>
              {calcName(c)}: {value(s.item, c)}
            </small>
          ))}
        </li>
      ))}
    </ul>
  );
}
