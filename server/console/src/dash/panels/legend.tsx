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

/** Figure is a column of a legend. */
export interface Figure {
  name: string;
  text: (item: Item, i: number) => string;
}

/** calculated are the figures that a legend's options ask for. */
function calculated(options: In): Figure[] {
  return options.get("calcs").strs(10, 40).map((c) => ({ name: calcName(c), text: (item) => item.field.text(calc(c, item.values)) }));
}

export function Legend({ options, items, only, choose, figures = calculated(options) }: { options: In; items: Item[]; only: number | undefined; choose: (i: number) => void; figures?: Figure[] }) {
  if (!options.get("showLegend").bool(true) || options.get("displayMode").str() === "hidden" || !items.length) return null;
  const shown = items.map((item, i) => ({ item, i })).filter(({ item }) => !item.field.custom("hideFrom").get("legend").bool());
  const key = ({ item, i }: (typeof shown)[number]) => (
    <button type="button" class={only === undefined || only === i ? "key" : "key off"} aria-pressed={only === i} title={item.name} onClick={() => choose(i)}>
      <i style={{ background: item.color }} />
      <span>{item.name}</span>
    </button>
  );
  if (options.get("displayMode").str() === "table") {
    return (
      <div class="legend scroll" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">{t("name")}</th>
              {figures.map((f) => (
                <th key={f.name} scope="col" class="number">
                  {f.name}
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
                {figures.map((f) => (
                  <td key={f.name} class="number">
                    {f.text(s.item, s.i)}
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
          {figures.map((f) => (
            <small key={f.name}>
              {f.name}: {f.text(s.item, s.i)}
            </small>
          ))}
        </li>
      ))}
    </ul>
  );
}
