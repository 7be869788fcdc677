// CI variables of a repository: names, scopes and flags. A value goes in and never comes out.
import { useEffect, useState } from "preact/hooks";
import { t } from "../i18n";
import { get, namespace, post, remove } from "../lib/api";
import { Action, Ago, Problem, Table, type Column } from "../lib/ui";
import type { Variable } from "../types";

const base = () => `/api/v1/namespaces/${namespace}/variables`;
const flags = ["protected", "visible", "raw", "file"] as const;
type Flag = (typeof flags)[number];
const flagText = { protected: "flagProtected", visible: "flagVisible", raw: "flagRaw", file: "flagFile" } as const;

export function Variables({ repository }: { repository: string }) {
  const [items, setItems] = useState<Variable[]>();
  const [error, setError] = useState<unknown>();
  const load = () => get<{ items: Variable[] | null }>(`${base()}?repository=${encodeURIComponent(repository)}`).then((a) => setItems(a.items ?? []), setError);
  useEffect(() => void load(), [repository]);
  const drop = async (v: Variable) => {
    const q = new URLSearchParams({ repository: v.repository ?? "", environment: v.environment ?? "", branch: v.branch ?? "" });
    await remove(`${base()}/${encodeURIComponent(v.name)}?${q}`);
    await load();
  };
  const columns: Column<Variable>[] = [
    { head: t("name"), cell: (v) => <code>{v.name}</code> },
    { head: t("environment"), cell: (v) => v.environment || "*" },
    { head: t("branch"), cell: (v) => v.branch || "*", wide: true },
    {
      head: t("flags"),
      cell: (v) => (
        <>
          {v.repository ? null : <span class="tag">{t("ofNamespace")}</span>}{" "}
          {flags.filter((f) => v[f]).map((f) => (
            <span key={f} class="tag">
              {t(flagText[f])}
            </span>
          ))}
        </>
      ),
    },
    { head: t("by"), cell: (v) => v.by ?? "", wide: true },
    { head: t("updated"), cell: (v) => <Ago time={v.at} />, wide: true },
    { head: "", cell: (v) => (v.repository ? <Action label={t("delete")} run={() => drop(v)} /> : null) },
  ];
  return (
    <details>
      <summary>
        {t("variables")} {items ? `(${items.length})` : ""}
      </summary>
      <p class="hint">{t("variablesHint")}</p>
      <Problem error={error} />
      {items?.length ? <Table label={t("variables")} rows={items} columns={columns} id={(v) => `${v.repository ?? ""}/${v.name}/${v.environment ?? ""}/${v.branch ?? ""}`} text={(v) => `${v.name} ${v.environment ?? ""}`} /> : null}
      <SetVariable repository={repository} done={load} />
    </details>
  );
}

function SetVariable({ repository, done }: { repository: string; done: () => Promise<unknown> }) {
  const [name, setName] = useState("");
  const [value, setValue] = useState("");
  const [environment, setEnvironment] = useState("");
  const [branch, setBranch] = useState("");
  const [on, setOn] = useState<Partial<Record<Flag, boolean>>>({});
  const save = async () => {
    await post(base(), { name, value, repository, environment, branch, ...on });
    setName("");
    setValue("");
    await done();
  };
  return (
    <form class="row form" onSubmit={(e) => e.preventDefault()} autocomplete="off">
      <input aria-label={t("name")} placeholder={t("name")} value={name} onInput={(e) => setName(e.currentTarget.value)} spellcheck={false} />
      <textarea aria-label={t("value")} placeholder={t("value")} rows={1} value={value} onInput={(e) => setValue(e.currentTarget.value)} spellcheck={false} />
      <input aria-label={t("environment")} placeholder={t("environmentScope")} value={environment} onInput={(e) => setEnvironment(e.currentTarget.value)} spellcheck={false} />
      <input aria-label={t("branch")} placeholder={t("branchScope")} value={branch} onInput={(e) => setBranch(e.currentTarget.value)} spellcheck={false} />
      {flags.map((f) => (
        <label key={f}>
          <input type="checkbox" checked={Boolean(on[f])} onChange={(e) => setOn({ ...on, [f]: e.currentTarget.checked })} /> {t(flagText[f])}
        </label>
      ))}
      <Action label={t("setVariable")} class="primary" run={save} />
    </form>
  );
}
