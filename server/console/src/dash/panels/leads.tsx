// Links that a dashboard's author wrote: their words are text, and they lead to pages only.
import type { ComponentChildren } from "preact";
import { Link } from "../../lib/router";
import type { Destination } from "../links";

export function Lead({ to, children }: { to: Destination; children?: ComponentChildren }) {
  if (to.here && to.href.startsWith("/") && !to.blank) return (
    <Link class="lead" href={to.href} title={to.title}>
      {children ?? to.title}
    </Link>
  );
  return (
    <a class="lead" href={to.href} title={to.title} target="_blank" rel="noopener noreferrer">
      {children ?? to.title}
    </a>
  );
}

/** Leading are several of them, after what they are of. */
export function Leading({ links }: { links: Destination[] }) {
  if (!links.length) return null;
  return (
    <span class="leading">
      {links.map((l) => (
        <Lead key={l.href} to={l}>
          ↗ {l.title}
        </Lead>
      ))}
    </span>
  );
}
