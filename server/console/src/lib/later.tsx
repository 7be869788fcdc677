// A part of the page that is loaded when somebody goes there.
import type { FunctionComponent } from "preact";
import { useEffect, useState } from "preact/hooks";
import { t } from "../i18n";
import { Empty, Problem } from "./ui";

export function Later<P extends object>({ load, props }: { load: () => Promise<{ default: FunctionComponent<P> }>; props: P }) {
  const [part, set] = useState<{ Page?: FunctionComponent<P>; failed?: boolean }>({});
  useEffect(() => {
    let gone = false;
    load().then(
      (m) => gone || set({ Page: m.default }),
      () => gone || set({ failed: true }), // a newer server has other files
    );
    return () => void (gone = true);
  }, [load]);
  if (part.failed) return <Problem error={new Error(t("oldPage"))} />;
  return part.Page ? <part.Page {...props} /> : <Empty>{t("loading")}</Empty>;
}
