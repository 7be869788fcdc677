// The dashboards: a list of them, and one. This is loaded when somebody goes there.
import type { Place } from "../lib/router";
import { Boards } from "./list";
import { BoardPage } from "./page";

export default function Dashboards({ place }: { place: Place }) {
  return place.parts.length > 1 ? <BoardPage place={place} /> : <Boards />;
}
