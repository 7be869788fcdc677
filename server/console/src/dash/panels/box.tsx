// What the panels drawn as SVG and on a canvas share: how large they are, and the words
// next to the pointer.
import type { JSX, RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

export interface Box<E extends Element> {
  ref: RefObject<E>;
  width: number;
  height: number;
}

/** useBox is how large an element is, in pixels; nothing at first. */
export function useBox<E extends Element>(): Box<E> {
  const ref = useRef<E>(null);
  const [size, set] = useState({ width: 0, height: 0 });
  useEffect(() => {
    const e = ref.current;
    if (!e) return;
    const seen = new ResizeObserver(() => set((s) => (s.width === e.clientWidth && s.height === e.clientHeight ? s : { width: e.clientWidth, height: e.clientHeight })));
    seen.observe(e);
    return () => seen.disconnect();
  }, []);
  return { ref, ...size };
}

export interface Hint {
  /** where the pointer is in its box */
  x: number;
  y: number;
  head?: string;
  rows: { color: string; name: string; text: string }[];
}

const mostRows = 12;

/** Tip is what is below the pointer, in a box of a width. */
export function Tip({ hint, width }: { hint: Hint | undefined; width: number }) {
  if (!hint) return null;
  const side: JSX.CSSProperties = hint.x < width / 2 ? { left: `${hint.x + 14}px` } : { right: `${width - hint.x + 14}px` };
  return (
    <div class="tip" style={{ ...side, top: `${hint.y}px` }}>
      {hint.head ? <div>{hint.head}</div> : null}
      {hint.rows.slice(0, mostRows).map((r, i) => (
        <div key={i}>
          <i style={{ background: r.color }} />
          <span>{r.name}</span>
          <b>{r.text}</b>
        </div>
      ))}
      {hint.rows.length > mostRows ? `+${hint.rows.length - mostRows}` : null}
    </div>
  );
}

/** spoken is a picture in words: its title, and what it has, as far as somebody listens. */
export function spoken(title: string, parts: string[], most = 20): string {
  return `${title}: ${parts.slice(0, most).join("; ")}${parts.length > most ? "; …" : ""}`;
}
