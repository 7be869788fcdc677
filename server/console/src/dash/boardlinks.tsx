// Links of a whole dashboard: to addresses, and to those that have a tag.
import { t } from "../i18n";
import { replace, type Scope } from "./interpolate";
import { chosen, type Destination, destination, filled, type Known, pageOf, span } from "./links";
import type { BoardLink } from "./model";
import { Lead } from "./panels/leads";
import type { Range } from "./time";

const mostLinks = 100;

interface Leads {
  title: string;
  about: string;
  to: Destination[];
  /** several, by their tags */
  tagged: boolean;
}

/** leadsOf are where the links of a dashboard lead, by what they are called together. */
export function leadsOf(links: BoardLink[], scope: Scope, range: Range, known: Known, own: string, asked: URLSearchParams): Leads[] {
  const more = (l: BoardLink, href: string): string => {
    const time = asked.has("from") ? new URLSearchParams([...asked].filter(([k]) => k === "from" || k === "to")).toString() : span(range);
    const parts = [l.variables ? chosen(scope) : "", l.time ? time : ""].filter(Boolean).join("&");
    return parts ? href + (href.includes("?") ? "&" : "?") + parts : href;
  };
  return links.flatMap((l): Leads[] => {
    const title = replace(l.title, scope, "text");
    const about = replace(l.about, scope, "text");
    if (l.tags) {
      const tags = l.tags;
      const to = known.items
        .filter((i) => i.uid !== own && (!tags.length || i.tags?.some((x) => tags.includes(x))))
        .slice(0, mostLinks)
        .map((i) => ({ title: i.title, href: more(l, pageOf(i)), here: true, blank: l.blank }));
      return to.length ? [{ title: title || tags.join(", "), about, to, tagged: true }] : [];
    }
    const at = destination(filled(l.url, scope, range), known);
    return at ? [{ title, about, to: [{ ...at, href: more(l, at.href), title: title || at.href, blank: l.blank }], tagged: false }] : [];
  });
}

export function BoardLinks({ links, scope, range, known, own, asked }: { links: BoardLink[]; scope: Scope; range: Range; known: Known; own: string; asked: URLSearchParams }) {
  const all = leadsOf(links, scope, range, known, own, asked);
  if (!all.length) return null;
  return (
    <div role="navigation" class="row boardlinks" aria-label={t("boardLinks")}>
      {all.map((l, i) =>
        l.tagged ? (
          <details key={i} class="many" title={l.about || undefined}>
            <summary>{l.title || t("dashboards")}</summary>
            <div class="panel">
              {l.to.map((d) => (
                <Lead key={d.href} to={d} />
              ))}
            </div>
          </details>
        ) : (
          <span key={i} title={l.about || undefined}>
            <Lead to={l.to[0]} />
          </span>
        ),
      )}
    </div>
  );
}
