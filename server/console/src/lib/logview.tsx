// A log of any length: only the lines in view are drawn. Text is text.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { t } from "../i18n";
import { parse, plain, strip } from "./ansi";
import { lines as readLines } from "./api";
import { duration } from "./format";
import { rows as foldRows, type Row } from "./sections";

const lineHeight = 20;
const maxLines = 200_000;
const maxLine = 8_000;

interface Text {
  lines: string[];
  /** lines that were dropped at the front, because there are too many */
  cut: number;
  done: boolean;
  error?: string;
}

/** useStream reads a followed log and draws again at most once a frame. */
function useStream(url: string | undefined): Text {
  const [text, set] = useState<Text>({ lines: [], cut: 0, done: false });
  useEffect(() => {
    if (!url) {
      set({ lines: [], cut: 0, done: false });
      return;
    }
    const abort = new AbortController();
    let retry = 0;
    let failures = 0;
    const start = async () => {
      let held: string[] = [];
      let cut = 0;
      let frame = 0;
      const show = (done: boolean, error?: string) => {
        if (!abort.signal.aborted) set({ lines: held, cut, done, error });
      };
      try {
        await readLines(url, abort.signal, (line) => {
          held.push(line.length > maxLine ? `${line.slice(0, maxLine)}…` : line);
          if (held.length > maxLines) {
            cut += maxLines / 10;
            held = held.slice(maxLines / 10);
          }
          frame ||= requestAnimationFrame(() => {
            frame = 0;
            show(false);
          });
        });
        cancelAnimationFrame(frame);
        show(true);
      } catch (e) {
        cancelAnimationFrame(frame);
        show(false, e instanceof Error ? e.message : String(e));
        // A restarted server has the whole log still: read it again from the start.
        if (!abort.signal.aborted && failures++ < 20) retry = window.setTimeout(start, 2000);
      }
    };
    set({ lines: [], cut: 0, done: false });
    void start();
    return () => {
      abort.abort();
      window.clearTimeout(retry);
    };
  }, [url]);
  return text;
}

/** Line marks what was searched for; colours are left out there, as they would cut it apart. */
function Line({ line, find }: { line: string; find: string }) {
  if (find) {
    const text = strip(line);
    const parts = [];
    let at = 0;
    for (;;) {
      const i = text.toLowerCase().indexOf(find, at);
      if (i < 0) break;
      parts.push(text.slice(at, i), <mark>{text.slice(i, i + find.length)}</mark>);
      at = i + find.length;
    }
    return (
      <>
        {parts}
        {text.slice(at)}
      </>
    );
  }
  return (
    <>
      {parse(line, plain).spans.map((s, i) => (
        <span key={i} class={s.classes || undefined}>
          {s.text}
        </span>
      ))}
    </>
  );
}

function Fold({ section, turn }: { section: NonNullable<Row["section"]>; turn: (id: string) => void }) {
  return (
    <button type="button" class="fold" aria-expanded={section.open} aria-label={t(section.open ? "fold" : "unfold")} onClick={() => turn(section.id)}>
      {section.open ? "▾" : "▸"}
    </button>
  );
}

export function LogView(props: { url: string | undefined; download: string; name: string; waiting: boolean }) {
  const text = useStream(props.url);
  const [follow, drawFollow] = useState(true);
  // Effects run a frame late: they must see what is wanted now, not when drawn.
  const following = useRef(true);
  const setFollow = (on: boolean) => {
    following.current = on;
    drawFollow(on);
  };
  const [query, setQuery] = useState("");
  const [match, setMatch] = useState(0);
  const [view, setView] = useState({ top: 0, height: 480 });
  const frame = useRef<HTMLDivElement>(null);
  // Where we ourselves scrolled to: only a person's scrolling changes "follow".
  const ours = useRef(-1);
  const find = query.toLowerCase();
  const [toggled, setToggled] = useState<ReadonlySet<string>>(new Set());
  const turn = (id: string) => {
    setFollow(false);
    setToggled((old) => new Set(old.has(id) ? [...old].filter((x) => x !== id) : [...old, id]));
  };
  const rows = useMemo(() => foldRows(text.lines, toggled, Boolean(find)), [text.lines, text.lines.length, toggled, find]);

  const matches = useMemo(() => {
    if (!find) return [];
    const out: number[] = [];
    rows.forEach(({ text: l }, i) => {
      if (l.toLowerCase().includes(find) || (l.includes("\x1b") && strip(l).toLowerCase().includes(find))) out.push(i);
    });
    return out;
  }, [find, rows]);
  const at = matches.length ? ((match % matches.length) + matches.length) % matches.length : -1;

  const scroll = (top: number) => {
    const f = frame.current;
    if (!f) return;
    f.scrollTop = top;
    ours.current = f.scrollTop;
  };
  const step = (by: number) => {
    if (!matches.length) return;
    setFollow(false);
    setMatch(at + by);
    scroll(matches[(at + by + matches.length) % matches.length] * lineHeight - view.height / 2);
  };

  useEffect(() => {
    if (following.current && frame.current) scroll(frame.current.scrollHeight);
  });
  useEffect(() => {
    const f = frame.current;
    if (!f) return;
    const size = new ResizeObserver(() => setView((v) => ({ ...v, height: f.clientHeight })));
    size.observe(f);
    return () => size.disconnect();
  }, []);

  const first = Math.max(0, Math.floor(view.top / lineHeight) - 20);
  const last = Math.min(rows.length, Math.ceil((view.top + view.height) / lineHeight) + 20);
  return (
    <section class="log" aria-label={t("log")}>
      <div class="row tools">
        <input
          type="search"
          placeholder={t("search")}
          aria-label={t("search")}
          value={query}
          onInput={(e) => {
            setQuery(e.currentTarget.value);
            setMatch(0);
          }}
          onKeyDown={(e: KeyboardEvent) => {
            if (e.key === "Enter") step(e.shiftKey ? -1 : 1);
          }}
        />
        {find ? (
          <span class="count" aria-live="polite">
            {matches.length ? t("found", { n: at + 1, total: matches.length }) : t("noMatch")}
          </span>
        ) : null}
        <label>
          <input type="checkbox" checked={follow} onChange={(e) => setFollow(e.currentTarget.checked)} /> {t("follow")}
        </label>
        <a href={props.download} download={props.name}>
          {t("download")}
        </a>
      </div>
      {text.cut ? <p class="hint">{t("logCut", { n: text.cut })}</p> : null}
      {text.error ? (
        <p class="notice bad" role="alert">
          {t("logLost", { reason: text.error })}
        </p>
      ) : null}
      <div
        ref={frame}
        class="lines"
        tabIndex={0}
        role="log"
        aria-label={props.name}
        onScroll={(e) => {
          const f = e.currentTarget;
          setView({ top: f.scrollTop, height: f.clientHeight });
          // Scrolling up lets go; scrolling to the end holds on again.
          if (Math.abs(f.scrollTop - ours.current) < 1) return;
          ours.current = -1;
          setFollow(f.scrollTop + f.clientHeight >= f.scrollHeight - lineHeight);
        }}
      >
        {text.lines.length === 0 ? (
          <div class="empty">{props.waiting ? t("logWaits") : text.done ? t("logEmpty") : t("loading")}</div>
        ) : (
          <div class="space" style={{ height: `${rows.length * lineHeight}px` }}>
            <ol style={{ transform: `translateY(${first * lineHeight}px)` }} start={first + 1}>
              {rows.slice(first, last).map((row, i) => (
                <li key={row.at} class={matches[at] === first + i ? "hit" : undefined}>
                  <span class="number">{text.cut + row.at + 1}</span>
                  {row.section ? <Fold section={row.section} turn={turn} /> : null}
                  <Line line={row.text} find={find} />
                  {row.section?.seconds ? <span class="took">{duration(row.section.seconds * 1000)}</span> : null}
                </li>
              ))}
            </ol>
          </div>
        )}
      </div>
    </section>
  );
}
