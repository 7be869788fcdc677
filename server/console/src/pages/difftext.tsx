import { t } from "../i18n";

/** DiffText is a unified difference with colours. */
export function DiffText({ text, none }: { text: string; none?: string }) {
  if (!text.trim()) return <p class="hint">{none ?? t("noDiff")}</p>;
  return (
    <pre class="yaml diff" tabIndex={0}>
      {text.trimEnd().split("\n").map((l, i) => (
        <span key={i} class={l.startsWith("+") ? "added" : l.startsWith("-") ? "removed" : undefined}>
          {`${l}\n`}
        </span>
      ))}
    </pre>
  );
}
