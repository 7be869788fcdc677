// What every panel is drawn with.
import type { Data } from "../data";
import type { Scope } from "../interpolate";
import type { Known } from "../links";
import type { Panel } from "../model";
import type { Mark } from "../prom";
import type { Range } from "../time";

export interface Drawing {
  panel: Panel;
  data: Data;
  range: Range;
  scope: Scope;
  marks: Mark[];
  utc: boolean;
  crosshair: boolean;
  /** what links may lead to */
  known: Known;
  /** look at a part of the time */
  zoom: (from: number, to: number) => void;
}
