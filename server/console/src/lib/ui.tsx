// Small parts that every page uses.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { t, word } from "../i18n";
import { ApiError } from "./api";
import { ago, dateTime } from "./format";

/** State is a word with a colour and, for those who do not see it, a sign. */
export function State({ value }: { value: string | undefined }) {
  const v = value || "Pending";
  return <span class={`state is-${v.replace(/\W/g, "")}`}>{word(v)}</span>;
}

/** useNow ticks while something runs, so that durations grow. */
export function useNow(active = true): number {
  const [now, set] = useState(Date.now());
  useEffect(() => {
    set(Date.now());
    const id = window.setInterval(() => set(Date.now()), active ? 1000 : 30_000);
    return () => window.clearInterval(id);
  }, [active]);
  return now;
}

export function Ago({ time }: { time: string | undefined }) {
  const now = useNow(false);
  if (!time) return null;
  return (
    <time dateTime={time} title={dateTime(time)}>
      {ago(time, now)}
    </time>
  );
}

/**
 * useTyped is what is in a field of a search: what is typed, until the search is another
 * one by a link or a click. An effect would be too late: it takes away what was typed
 * just after the page came up.
 */
export function useTyped(value: string): [string, (typed: string) => void] {
  const [typed, setTyped] = useState(value);
  const [before, setBefore] = useState(value);
  if (before !== value) {
    setBefore(value);
    setTyped(value);
  }
  return [typed, setTyped];
}

export function Problem({ error }: { error: unknown }) {
  if (!error) return null;
  const hint = error instanceof ApiError ? error.hint : undefined;
  return (
    <div class="notice bad" role="alert">
      {error instanceof Error ? error.message : String(error)}
      {hint ? <div class="hint">{hint.split("`").map((part, i) => (i % 2 ? <code key={i}>{part}</code> : part))}</div> : null}
    </div>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

export function Copy({ text }: { text: string }) {
  const [done, set] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      set(true);
      window.setTimeout(() => set(false), 1500);
    } catch {
      set(false); // not allowed over plain HTTP from elsewhere: the text can be selected
    }
  };
  return (
    <div class="copy">
      <pre tabIndex={0}>{text}</pre>
      <button type="button" onClick={copy}>
        <span aria-live="polite">{done ? t("copied") : t("copy")}</span>
      </button>
    </div>
  );
}

/** Action is a button that does something on the server and says how it went. */
export function Action(props: { label: string; run: () => Promise<unknown>; class?: string; onDone?: () => void }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const alive = useRef(true);
  useEffect(() => () => void (alive.current = false), []);
  const click = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await props.run();
      props.onDone?.();
    } catch (e) {
      if (alive.current) setError(e);
    }
    if (alive.current) setBusy(false);
  };
  return (
    <>
      <button type="button" class={props.class} disabled={busy} onClick={click}>
        {props.label}
      </button>
      <Problem error={error} />
    </>
  );
}

/** Confirm is a modal question; Escape and the cancel button say no. */
export function Confirm(props: { question: string; yes: string; run: () => Promise<unknown>; close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    <dialog ref={dialog} onClose={props.close} aria-label={props.yes}>
      <p>{props.question}</p>
      <div class="row end">
        <button type="button" onClick={() => dialog.current?.close()}>
          {t("cancel")}
        </button>
        <Action label={props.yes} class="danger" run={props.run} onDone={() => dialog.current?.close()} />
      </div>
    </dialog>
  );
}

export interface Column<T> {
  head: string;
  cell: (row: T) => ComponentChildren;
  /** wide columns are left out on a phone */
  wide?: boolean;
}

/** Rows are a table as it is. */
export function Rows<T>(props: { label: string; rows: T[]; columns: Column<T>[]; id: (row: T) => string }) {
  return (
    <div class="scroll">
      <table aria-label={props.label}>
        <thead>
          <tr>
            {props.columns.map((c) => (
              <th key={c.head} scope="col" class={c.wide ? "wide" : undefined}>
                {c.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {props.rows.map((r) => (
            <tr key={props.id(r)}>
              {props.columns.map((c) => (
                <td key={c.head} class={c.wide ? "wide" : undefined}>
                  {c.cell(r)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const pageSize = 50;

/** Table shows any number of rows, a page at a time, and finds among all of them. */
export function Table<T>(props: { label: string; rows: T[]; columns: Column<T>[]; id: (row: T) => string; text?: (row: T) => string }) {
  const [filter, setFilter] = useState("");
  const [page, setPage] = useState(0);
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const text = props.text;
  const rows = text && words.length ? props.rows.filter((r) => words.every((w) => text(r).toLowerCase().includes(w))) : props.rows;
  const pages = Math.max(1, Math.ceil(rows.length / pageSize));
  const at = Math.min(page, pages - 1);
  const shown = rows.slice(at * pageSize, (at + 1) * pageSize);
  return (
    <>
      {text && props.rows.length > 8 ? (
        <input
          type="search"
          class="filter"
          placeholder={t("filter")}
          aria-label={t("filter")}
          value={filter}
          onInput={(e) => {
            setFilter(e.currentTarget.value);
            setPage(0);
          }}
        />
      ) : null}
      <Rows label={props.label} rows={shown} columns={props.columns} id={props.id} />
      {pages > 1 ? (
        <div class="row pager">
          <button type="button" disabled={at === 0} onClick={() => setPage(at - 1)}>
            {t("previous")}
          </button>
          <span>{t("showing", { from: at * pageSize + 1, to: at * pageSize + shown.length, total: rows.length })}</span>
          <button type="button" disabled={at === pages - 1} onClick={() => setPage(at + 1)}>
            {t("next")}
          </button>
        </div>
      ) : null}
    </>
  );
}
