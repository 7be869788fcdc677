// Text of a board's author: Markdown as elements, never as HTML.
import type { ComponentChildren, FunctionComponent } from "preact";
import { useEffect, useState } from "preact/hooks";
import { replace } from "../interpolate";
import type { Drawing } from "./context";

type Renderer = FunctionComponent<{ source: string }>;

export function TextPanel(d: Drawing) {
  const [Markdown, set] = useState<Renderer>();
  const source = replace(d.panel.options.get("content").str("", 20_000), d.scope, "text");
  const markdown = d.panel.options.get("mode").str("markdown") === "markdown";
  useEffect(() => {
    let gone = false;
    if (markdown) void import("./markdown").then((m) => gone || set(() => m.Markdown));
    return () => void (gone = true);
  }, [markdown]);
  let shown: ComponentChildren = <pre>{source}</pre>;
  if (markdown && Markdown) shown = <Markdown source={source} />;
  return <div class="prose">{shown}</div>;
}
