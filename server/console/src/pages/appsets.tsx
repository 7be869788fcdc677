// Applications that are made of directories, branches and merge requests.
import { t } from "../i18n";
import { path, post } from "../lib/api";
import { short } from "../lib/format";
import { Link, to } from "../lib/router";
import { useStore } from "../lib/store";
import { Action, State, Table, type Column } from "../lib/ui";
import type { ApplicationSet } from "../types";
import { Addresses } from "./applications";

type Made = NonNullable<NonNullable<ApplicationSet["status"]>["applications"]>[number];

/** standsFor says what one was made of. */
export function standsFor(a: Made): string {
  if (a.number) return `!${a.number} ${a.branch ?? ""}`.trim();
  return a.directory || a.branch || "";
}

export function ApplicationSets() {
  const sets = useStore()
    .all("ApplicationSet")
    .sort((a, b) => a.metadata.name.localeCompare(b.metadata.name));
  return (
    <>
      {sets.map((s) => (
        <section key={s.metadata.name}>
          <h2>{t("madeBy", { name: s.metadata.name, repository: s.spec.repository })}</h2>
          {(s.status?.conditions ?? [])
            .filter((c) => c.message && c.status !== "True")
            .map((c) => (
              <p key={c.type} class="notice warn">
                {c.message}
              </p>
            ))}
          <Table
            label={s.metadata.name}
            rows={s.status?.applications ?? []}
            columns={columns(s.metadata.name)}
            id={(a) => a.name}
            text={(a) => `${a.name} ${standsFor(a)} ${a.health ?? ""} ${a.phase} ${a.message ?? ""}`}
          />
        </section>
      ))}
    </>
  );
}

function columns(set: string): Column<Made>[] {
  return [
    { head: t("standsFor"), cell: standsFor },
    { head: t("name"), cell: (a) => <Link href={to("applications", a.name)}>{a.name}</Link> },
    { head: t("phase"), cell: (a) => <State value={a.phase} />, wide: true },
    { head: t("health"), cell: (a) => (a.health ? <State value={a.health} /> : null) },
    { head: t("commit"), cell: (a) => <code>{short(a.commit)}</code>, wide: true },
    { head: t("addresses"), cell: (a) => <Addresses list={a.addresses} /> },
    { head: t("message"), cell: (a) => a.message ?? "", wide: true },
    {
      head: "",
      cell: (a) =>
        a.phase === "Pending" && a.number && a.commit ? (
          <Action label={t("approveFork", { commit: short(a.commit) })} run={() => post(path("ApplicationSet", set, "approve"), { number: a.number, commit: a.commit })} />
        ) : null,
    },
  ];
}
