import { t } from "../i18n";

/** colour of a line; those that name the two sides have none. */
function colour(line: string): string | undefined {
  if (line.startsWith("+++ ") || line.startsWith("--- ")) return "note";
  if (line.startsWith("@@")) return "hunk";
  return line.startsWith("+") ? "added" : line.startsWith("-") ? "removed" : undefined;
}

/** DiffText is a unified difference with colours. */
export function DiffText({ text, none }: { text: string; none?: string }) {
  if (!text.trim()) return <p class="hint">{none ?? t("noDiff")}</p>;
  return (
    <pre class="yaml diff" tabIndex={0}>
      {text.trimEnd().split("\n").map((l, i) => (
        <span key={i} class={colour(l)}>
          {`${l}\n`}
        </span>
      ))}
    </pre>
  );
}
