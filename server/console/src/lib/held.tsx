// In place of a table without rows: that there are none, that they are being read, or why
// they could not be.
import { t } from "../i18n";
import type { Kind } from "../types";
import { useStore } from "./store";
import { Empty, Problem } from "./ui";

export function NoRows({ kind, none }: { kind: Kind; none: string }) {
  const store = useStore();
  const error = store.refused(kind);
  if (error) return <Problem error={error} />;
  return <Empty>{store.loaded(kind) ? none : t("loading")}</Empty>;
}
