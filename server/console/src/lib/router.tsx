// Paths of the page and links between them; every view has an address of its own.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

const listeners = new Set<() => void>();

/** go to an address: a new step of the history unless it replaces this one, from the top of the page unless it stays. */
export function go(to: string, replace = false, stay = replace): void {
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  for (const l of listeners) l();
  if (!stay) window.scrollTo(0, 0);
}

export interface Place {
  parts: string[];
  query: URLSearchParams;
}

/** here is where the page is. */
export function here(): Place {
  const parts = location.pathname.split("/").filter(Boolean);
  return { parts: parts.map(decode), query: new URLSearchParams(location.search) };
}

function decode(s: string): string {
  try {
    return decodeURIComponent(s);
  } catch {
    return s;
  }
}

export function usePlace(): Place {
  const [place, set] = useState(here);
  useEffect(() => {
    const l = () => set(here());
    listeners.add(l);
    window.addEventListener("popstate", l);
    return () => {
      listeners.delete(l);
      window.removeEventListener("popstate", l);
    };
  }, []);
  return place;
}

/** to builds an address within the page. */
export function to(...parts: string[]): string {
  return "/" + parts.map(encodeURIComponent).join("/");
}

type LinkProps = { href: string; children?: ComponentChildren } & Omit<JSX.IntrinsicElements["a"], "href">;

export function Link({ href, children, ...rest }: LinkProps) {
  return (
    <a
      href={href}
      onClick={(e: MouseEvent) => {
        if (e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
        e.preventDefault();
        go(href);
      }}
      {...rest}
    >
      {children}
    </a>
  );
}
