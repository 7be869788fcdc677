// What a pipeline file asks of who starts a run: variables with a description or options,
// and inputs.
import { useEffect, useState } from "preact/hooks";
import { t } from "../i18n";
import { get, path } from "../lib/api";
import { Problem } from "../lib/ui";
import type { Asked, AskedInput, Form } from "../types";

/** Filled are the fields that somebody changed, as they stand there. */
export interface Filled {
  variables: Record<string, string>;
  inputs: Record<string, string>;
}

/** shown is how a value stands in a field: a text as it is, any other as JSON. */
export function shown(value: unknown): string {
  return value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
}

/** meant is the value of a field, by the type of its input; what is no JSON the server refuses. */
export function meant(input: AskedInput, text: string): unknown {
  if (input.type === "string") return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** given by what was filled in. */
export function given(form: Form | undefined, filled: Filled): { variables: Record<string, string>; inputs: Record<string, unknown> } {
  const inputs: Record<string, unknown> = {};
  for (const i of form?.inputs ?? []) {
    const text = filled.inputs[i.name];
    if (text !== undefined) inputs[i.name] = meant(i, text);
  }
  const variables: Record<string, string> = {};
  for (const v of form?.variables ?? []) {
    const text = filled.variables[v.name];
    if (text !== undefined) variables[v.name] = text;
  }
  return { variables, inputs };
}

/** useForm of a ref, once it is wanted. */
export function useForm(repository: string, ref: string, wanted: boolean): { form?: Form; error?: unknown } {
  const [state, set] = useState<{ of?: string; form?: Form; error?: unknown }>({});
  useEffect(() => {
    if (!wanted) return;
    let left = false;
    get<Form>(`${path("Repository", repository, "form")}?ref=${encodeURIComponent(ref)}`).then(
      (form) => left || set({ of: ref, form }),
      (error: unknown) => left || set({ of: ref, error }),
    );
    return () => {
      left = true;
    };
  }, [repository, ref, wanted]);
  return state.of === ref ? state : {};
}

export function AskedFields({ form, error, filled, fill }: { form?: Form; error?: unknown; filled: Filled; fill: (f: Filled) => void }) {
  if (error) return <Problem error={error} />;
  if (!form) return null;
  return (
    <>
      {form.description ? <p class="hint">{form.description}</p> : null}
      {form.problems?.length ? <p class="notice bad">{form.problems[0].message}</p> : null}
      {form.variables.map((v) => (
        <Field key={`v ${v.name}`} of={v} value={filled.variables[v.name] ?? v.value ?? ""} options={v.options} set={(x) => fill({ ...filled, variables: { ...filled.variables, [v.name]: x } })} />
      ))}
      {form.inputs.map((i) => (
        <Field
          key={`i ${i.name}`}
          of={i}
          value={filled.inputs[i.name] ?? shown(i.default)}
          options={i.options?.map(shown)}
          required={i.required}
          set={(x) => fill({ ...filled, inputs: { ...filled.inputs, [i.name]: x } })}
        />
      ))}
    </>
  );
}

function Field({ of, value, options, required, set }: { of: Asked | AskedInput; value: string; options?: string[]; required?: boolean; set: (x: string) => void }) {
  return (
    <label class="asked">
      <span>
        {of.name}
        {required ? ` (${t("required")})` : ""}
      </span>
      {options?.length ? (
        <select value={value} onChange={(e) => set(e.currentTarget.value)}>
          {(options.includes(value) ? options : [value, ...options]).map((o) => (
            <option key={o} value={o}>
              {o}
            </option>
          ))}
        </select>
      ) : (
        <input value={value} onInput={(e) => set(e.currentTarget.value)} spellcheck={false} />
      )}
      {of.description ? <span class="hint">{of.description}</span> : null}
    </label>
  );
}
