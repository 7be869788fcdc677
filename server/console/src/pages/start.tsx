// Starting a run by hand: a branch or tag, what its file asks for, and any other
// variables and inputs for this run alone.
import { useState } from "preact/hooks";
import { t } from "../i18n";
import { path, post } from "../lib/api";
import { refName } from "../lib/format";
import { go, to } from "../lib/router";
import { put } from "../lib/store";
import { Action } from "../lib/ui";
import type { Run } from "../types";
import { AskedFields, given as asked, useForm, type Filled } from "./asked";

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

/** inputs of lines such as name=value: a value that is JSON is that, any other is a text. */
export function inputs(text: string): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const line of text.split("\n").filter((l) => l.trim())) {
    const at = line.indexOf("=");
    if (at < 1) throw new Error(t("inputLine", { line }));
    const value = line.slice(at + 1);
    try {
      out[line.slice(0, at).trim()] = JSON.parse(value) as unknown;
    } catch {
      out[line.slice(0, at).trim()] = value;
    }
  }
  return out;
}

export function StartRun({ repository, refs, main }: { repository: string; refs: string[]; main: string }) {
  const [ref, setRef] = useState(refs.includes(`refs/heads/${main}`) ? `refs/heads/${main}` : (refs[0] ?? ""));
  const [text, setText] = useState("");
  const [given, setGiven] = useState("");
  const [target, setTarget] = useState("");
  const [open, setOpen] = useState(false);
  const [filled, fill] = useState<Filled>({ variables: {}, inputs: {} });
  const { form, error } = useForm(repository, ref, open);
  const start = async () => {
    const wanted = asked(form, filled);
    const run = await post<Run>(path("Run"), {
      repository,
      ref,
      variables: { ...wanted.variables, ...variables(text) },
      inputs: { ...wanted.inputs, ...inputs(given) },
      mergeRequest: target || undefined,
      cause: "manual",
    });
    put("Run", run);
    go(to("runs", run.metadata.name));
  };
  return (
    <details onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary>{t("startByHand")}</summary>
      <form class="row form" onSubmit={(e) => e.preventDefault()}>
        <select aria-label={t("branch")} value={ref} onChange={(e) => setRef(e.currentTarget.value)}>
          {refs.map((r) => (
            <option key={r} value={r}>
              {refName(r)}
            </option>
          ))}
        </select>
        <select aria-label={t("mergeInto")} value={target} onChange={(e) => setTarget(e.currentTarget.value)}>
          <option value="">{t("notMerging")}</option>
          {refs
            .filter((r) => r.startsWith("refs/heads/") && r !== ref && ref.startsWith("refs/heads/"))
            .map((r) => (
              <option key={r} value={r}>
                {`→ ${refName(r)}`}
              </option>
            ))}
        </select>
        <AskedFields form={form} error={error} filled={filled} fill={fill} />
        <textarea aria-label={t("inputs")} placeholder={"name=value"} rows={2} value={given} onInput={(e) => setGiven(e.currentTarget.value)} spellcheck={false} />
        <textarea aria-label={t("variables")} placeholder={"NAME=value"} rows={2} value={text} onInput={(e) => setText(e.currentTarget.value)} spellcheck={false} />
        <Action label={t("startRun")} class="primary" run={start} />
      </form>
    </details>
  );
}
