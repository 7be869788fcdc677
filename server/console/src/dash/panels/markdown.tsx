// Markdown as GitHub knows it, parsed by mdast and made into elements here: raw HTML is
// shown as the text it is, pictures as links, and links lead to pages only.
import type { Nodes, Parents } from "mdast";
import { fromMarkdown } from "mdast-util-from-markdown";
import { gfmFromMarkdown } from "mdast-util-gfm";
import { gfm } from "micromark-extension-gfm";
import type { ComponentChildren } from "preact";
import { link } from "../link";

const mostDepth = 50;

function children(n: Parents, depth: number): ComponentChildren {
  return n.children.map((c, i) => <Node key={i} n={c as Nodes} depth={depth + 1} />);
}

function Anchor({ url, title, children: inner }: { url: string; title?: string | null; children: ComponentChildren }) {
  const to = link(url);
  return to ? (
    <a href={to} title={title ?? undefined} rel="noopener noreferrer" target="_blank">
      {inner}
    </a>
  ) : (
    <>{inner}</>
  );
}

function Node({ n, depth }: { n: Nodes; depth: number }): ComponentChildren {
  if (depth > mostDepth) return null;
  switch (n.type) {
    case "text":
      return n.value;
    case "html":
      return <span class="hint">{n.value}</span>;
    case "paragraph":
      return <p>{children(n, depth)}</p>;
    case "heading": {
      const Level = `h${Math.min(6, n.depth + 2)}` as "h3";
      return <Level>{children(n, depth)}</Level>;
    }
    case "emphasis":
      return <em>{children(n, depth)}</em>;
    case "strong":
      return <strong>{children(n, depth)}</strong>;
    case "delete":
      return <del>{children(n, depth)}</del>;
    case "inlineCode":
      return <code>{n.value}</code>;
    case "code":
      return <pre>{n.value}</pre>;
    case "break":
      return <br />;
    case "thematicBreak":
      return <hr />;
    case "blockquote":
      return <blockquote>{children(n, depth)}</blockquote>;
    case "list":
      return n.ordered ? <ol start={n.start ?? 1}>{children(n, depth)}</ol> : <ul>{children(n, depth)}</ul>;
    case "listItem":
      return (
        <li>
          {typeof n.checked === "boolean" ? <input type="checkbox" checked={n.checked} disabled /> : null}
          {children(n, depth)}
        </li>
      );
    case "link":
      return (
        <Anchor url={n.url} title={n.title}>
          {children(n, depth)}
        </Anchor>
      );
    case "image":
      return <Anchor url={n.url}>{n.alt || n.url}</Anchor>;
    case "table":
      return (
        <div class="scroll">
          <table>
            <tbody>{children(n, depth)}</tbody>
          </table>
        </div>
      );
    case "tableRow":
      return <tr>{children(n, depth)}</tr>;
    case "tableCell":
      return <td>{children(n, depth)}</td>;
  }
  return "children" in n ? <>{children(n, depth)}</> : null;
}

export function Markdown({ source }: { source: string }) {
  const tree = fromMarkdown(source, { extensions: [gfm()], mdastExtensions: [gfmFromMarkdown()] });
  return <>{children(tree, 0)}</>;
}
