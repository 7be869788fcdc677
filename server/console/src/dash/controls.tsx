// What can be chosen of a dashboard: the time, how often it is looked at again, its
// variables and what is marked.
import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../i18n";
import { dateTime } from "../lib/format";
import { useTyped } from "../lib/ui";
import { operators, read, written } from "./adhoc";
import { all, type Variable } from "./model";
import { at, quick, refreshes } from "./time";
import { kinds, type Resolved } from "./variables";

const local = (ms: number) => {
  const d = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return d.toISOString().slice(0, 16);
};

export function TimeChoice({ from, to, choose }: { from: string; to: string; choose: (from: string, to: string) => void }) {
  const ago = /^now-(\w+)$/.exec(from)?.[1];
  const known = to === "now" && ago && quick.includes(ago) ? ago : "";
  const now = Date.now();
  const [a, b] = [at(from, now) ?? now - 3_600_000, at(to, now, true) ?? now];
  const [open, setOpen] = useState(false);
  return (
    <>
      <select
        aria-label={t("chartRange")}
        value={known || "own"}
        onChange={(e) => {
          const v = e.currentTarget.value;
          if (v === "own") setOpen(true);
          else {
            setOpen(false);
            choose(`now-${v}`, "now");
          }
        }}
      >
        {quick.map((q) => (
          <option key={q} value={q}>
            {t("lastSpan", { span: q })}
          </option>
        ))}
        <option value="own">{known ? t("otherTime") : /^now/.test(from) ? `${from} – ${to}` : `${dateTime(new Date(a).toISOString())} – ${dateTime(new Date(b).toISOString())}`}</option>
      </select>
      {open || !known ? (
        <span class="row">
          <input type="datetime-local" aria-label={t("timeFrom")} value={local(a)} onChange={(e) => e.currentTarget.value && choose(String(new Date(e.currentTarget.value).getTime()), to.startsWith("now") ? String(b) : to)} />
          <input type="datetime-local" aria-label={t("timeTo")} value={local(b)} onChange={(e) => e.currentTarget.value && choose(from.startsWith("now") ? String(a) : from, String(new Date(e.currentTarget.value).getTime()))} />
        </span>
      ) : null}
    </>
  );
}

export function RefreshChoice({ every, choose, now }: { every: string; choose: (every: string) => void; now: () => void }) {
  const list = every && !refreshes.includes(every) ? [every, ...refreshes] : refreshes;
  return (
    <>
      <button type="button" onClick={now}>
        {t("refresh")}
      </button>
      <select aria-label={t("refreshEvery")} value={every} onChange={(e) => choose(e.currentTarget.value)}>
        <option value="">{t("refreshOff")}</option>
        {list.map((r) => (
          <option key={r} value={r}>
            {r}
          </option>
        ))}
      </select>
    </>
  );
}

function Text({ r, choose }: { r: Resolved; choose: (values: string[]) => void }) {
  const [typed, setTyped] = useTyped(r.values[0] ?? "");
  return <input aria-label={r.variable.label || r.variable.name} value={typed} onInput={(e) => setTyped(e.currentTarget.value)} onChange={(e) => choose([e.currentTarget.value])} />;
}

/** Many is a list of which several can be chosen. */
function Many({ r, choose }: { r: Resolved; choose: (values: string[]) => void }) {
  const name = r.variable.label || r.variable.name;
  const [filter, setFilter] = useState("");
  const box = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const close = (e: Event) => {
      if (box.current?.open && !(e.target instanceof Node && box.current.contains(e.target))) box.current.open = false;
    };
    document.addEventListener("pointerdown", close);
    return () => document.removeEventListener("pointerdown", close);
  }, []);
  const chosen = new Set(r.values);
  const toggle = (value: string) => {
    if (value === all) return choose([all]);
    const next = new Set(chosen);
    next.delete(all);
    if (!next.delete(value)) next.add(value);
    choose(next.size ? [...next] : r.variable.includeAll ? [all] : [...chosen]);
  };
  const label = chosen.has(all) ? t("everything") : r.options.filter((o) => chosen.has(o.value)).map((o) => o.text).join(", ") || r.values.join(", ") || "–";
  const shown = r.options.filter((o) => o.text.toLowerCase().includes(filter.toLowerCase())).slice(0, 200);
  return (
    <details ref={box} class="many">
      <summary aria-label={`${name}: ${label}`}>{label}</summary>
      <div class="panel">
        {r.options.length > 8 ? <input type="search" placeholder={t("filter")} aria-label={t("filter")} value={filter} onInput={(e) => setFilter(e.currentTarget.value)} /> : null}
        {r.variable.includeAll ? (
          <label>
            <input type="checkbox" checked={chosen.has(all)} onChange={() => toggle(all)} /> {t("everything")}
          </label>
        ) : null}
        {shown.map((o) => (
          <label key={o.value}>
            <input type="checkbox" checked={chosen.has(o.value)} onChange={() => toggle(o.value)} /> {o.text}
          </label>
        ))}
      </div>
    </details>
  );
}

function One({ r, choose }: { r: Resolved; choose: (values: string[]) => void }) {
  const value = r.values[0] ?? "";
  const strange = value && value !== all && !r.options.some((o) => o.value === value);
  return (
    <select aria-label={r.variable.label || r.variable.name} value={value} onChange={(e) => choose([e.currentTarget.value])}>
      {r.variable.includeAll ? <option value={all}>{t("everything")}</option> : null}
      {value ? null : <option value="">–</option>}
      {strange ? <option value={value}>{value}</option> : null}
      {r.options.map((o) => (
        <option key={o.value} value={o.value}>
          {o.text}
        </option>
      ))}
    </select>
  );
}

/** Filters are labels and what they have to be; each can be taken away, and one added. */
function Filters({ r, choose, values }: { r: Resolved; choose: (values: string[]) => void; values: Values }) {
  const [key, setKey] = useState("");
  const [op, setOp] = useState("=");
  const [value, setValue] = useState("");
  const [known, setKnown] = useState<string[]>([]);
  const id = `filters-${r.variable.name}`;
  const add = () => {
    if (!key.trim()) return;
    choose([...r.values, written(key.trim(), op, value)]);
    setKey("");
    setValue("");
  };
  const look = () => {
    if (key.trim()) values(r.variable, key.trim()).then(setKnown, () => setKnown([]));
  };
  return (
    <span class="filters">
      {r.values.map((text) => {
        const f = read(text);
        if (!f) return null;
        const words = `${f.key} ${f.op} ${f.value}`;
        return (
          <button key={text} type="button" class="span" aria-label={`${t("filterAway")}: ${words}`} title={t("filterAway")} onClick={() => choose(r.values.length > 1 ? r.values.filter((x) => x !== text) : [""])}>
            {words} ✕
          </button>
        );
      })}
      <form
        onSubmit={(e) => {
          e.preventDefault();
          add();
        }}
      >
        <input list={`${id}-keys`} aria-label={t("filterLabel")} placeholder={t("filterLabel")} value={key} onInput={(e) => setKey(e.currentTarget.value)} onChange={look} />
        <datalist id={`${id}-keys`}>
          {r.options.map((o) => (
            <option key={o.value} value={o.value} />
          ))}
        </datalist>
        <select aria-label={t("filterHow")} value={op} onChange={(e) => setOp(e.currentTarget.value)}>
          {operators.map((o) => (
            <option key={o} value={o}>
              {o}
            </option>
          ))}
        </select>
        <input list={`${id}-values`} aria-label={t("filterValue")} placeholder={t("filterValue")} value={value} onFocus={look} onInput={(e) => setValue(e.currentTarget.value)} />
        <datalist id={`${id}-values`}>
          {known.slice(0, 200).map((o) => (
            <option key={o} value={o} />
          ))}
        </datalist>
        <button type="submit" aria-label={t("filterAdd")} title={t("filterAdd")}>
          +
        </button>
      </form>
    </span>
  );
}

export type Values = (variable: Variable, key: string) => Promise<string[]>;

export function VariableChoice({ r, choose, values }: { r: Resolved; choose: (values: string[]) => void; values: Values }) {
  const v = r.variable;
  if (v.hidden) return null;
  const How = v.type === "textbox" ? Text : v.type === "adhoc" ? Filters : v.multi ? Many : One;
  return (
    <span class="variable" title={v.about || undefined}>
      <span class="hint">{v.label || v.name}</span> {kinds.has(v.type) ? <How r={r} choose={choose} values={values} /> : <span class="tag">{t("variableUnknown", { type: v.type || "?" })}</span>}
      {r.error && kinds.has(v.type) ? (
        <span class="tag warn" role="alert" title={r.error instanceof Error ? r.error.message : String(r.error)}>
          {t("variableFailed")}
        </span>
      ) : null}
    </span>
  );
}
