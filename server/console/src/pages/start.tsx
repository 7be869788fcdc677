// Starting a run by hand: a branch or tag, and variables for this run alone.
import { useState } from "preact/hooks";
import { t } from "../i18n";
import { path, post } from "../lib/api";
import { refName } from "../lib/format";
import { go, to } from "../lib/router";
import { put } from "../lib/store";
import { Action } from "../lib/ui";
import type { Run } from "../types";

/** variables of lines such as NAME=value; a line without "=" is refused. */
export function variables(text: string): Record<string, string> {
  const out: Record<string, string> = {};
  for (const line of text.split("\n").filter((l) => l.trim())) {
    const at = line.indexOf("=");
    if (at < 1) throw new Error(t("variableLine", { line }));
    out[line.slice(0, at).trim()] = line.slice(at + 1);
  }
  return out;
}

export function StartRun({ repository, refs, main }: { repository: string; refs: string[]; main: string }) {
  const [ref, setRef] = useState(refs.includes(`refs/heads/${main}`) ? `refs/heads/${main}` : (refs[0] ?? ""));
  const [text, setText] = useState("");
  const start = async () => {
    const run = await post<Run>(path("Run"), { repository, ref, variables: variables(text), cause: "manual" });
    put("Run", run);
    go(to("runs", run.metadata.name));
  };
  return (
    <details>
      <summary>{t("startByHand")}</summary>
      <form class="row form" onSubmit={(e) => e.preventDefault()}>
        <select aria-label={t("branch")} value={ref} onChange={(e) => setRef(e.currentTarget.value)}>
          {refs.map((r) => (
            <option key={r} value={r}>
              {refName(r)}
            </option>
          ))}
        </select>
        <textarea aria-label={t("variables")} placeholder={"NAME=value"} rows={2} value={text} onInput={(e) => setText(e.currentTarget.value)} spellcheck={false} />
        <Action label={t("startRun")} class="primary" run={start} />
      </form>
    </details>
  );
}
