// Links from a page to the dashboard of what it is about.
import { t } from "../i18n";
import { namespace } from "./api";
import { Link, to } from "./router";

/** boardOf is the address of a dashboard, of the namespace that is shown if it is of one. */
export function boardOf(name: string, ofNamespace: boolean): string {
  return to("dashboards", name) + (ofNamespace ? `?${new URLSearchParams({ "var-namespace": namespace })}` : "");
}

export function BoardLink({ board, ofNamespace = false }: { board: string; ofNamespace?: boolean }) {
  return <Link href={boardOf(board, ofNamespace)}>{t("dashboard")}</Link>;
}
