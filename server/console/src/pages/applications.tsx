import { t } from "../i18n";
import { valueOf } from "../lib/format";
import { Link, to } from "../lib/router";
import { useStore } from "../lib/store";
import { Empty, State, Table, type Column } from "../lib/ui";
import type { Application } from "../types";

export function Applications() {
  const store = useStore();
  const rows = store.all("Application").sort((a, b) => a.metadata.name.localeCompare(b.metadata.name));
  const columns: Column<Application>[] = [
    { head: t("name"), cell: (a) => <Link href={to("applications", a.metadata.name)}>{a.metadata.name}</Link> },
    { head: t("health"), cell: (a) => <State value={a.status?.health ?? "Unknown"} /> },
    { head: t("sync"), cell: (a) => <State value={a.status?.sync ?? "Unknown"} /> },
    { head: t("release"), cell: (a) => a.status?.current || "" },
    { head: t("commit"), cell: (a) => <code>{valueOf(a.spec.desired)}</code>, wide: true },
    { head: t("addresses"), cell: (a) => <Addresses list={a.status?.addresses} />, wide: true },
  ];
  return (
    <>
      <h1>{t("applications")}</h1>
      {rows.length ? (
        <Table
          label={t("applications")}
          rows={rows}
          columns={columns}
          id={(a) => a.metadata.name}
          text={(a) => `${a.metadata.name} ${a.status?.health ?? ""} ${a.status?.sync ?? ""} ${a.spec.source.repository ?? a.spec.source.helm?.chart ?? ""}`}
        />
      ) : (
        <Empty>{store.loaded("Application") ? t("noApplications") : t("loading")}</Empty>
      )}
    </>
  );
}

/** Addresses are links only where they are plainly web addresses. */
export function Addresses({ list }: { list?: string[] }) {
  return (
    <>
      {(list ?? []).map((a) => {
        const url = /^https?:\/\//.test(a) ? a : /^[\w.[\]:-]+:\d+$/.test(a) ? `http://${a}` : "";
        return (
          <span key={a} class="address">
            {url ? (
              <a href={url} target="_blank" rel="noopener noreferrer">
                {a}
              </a>
            ) : (
              a
            )}
          </span>
        );
      })}
    </>
  );
}
