// The form of an application: a new one, or what is to change of one that is there.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { t } from "../i18n";
import type { Key } from "../i18n/en";
import { change, namespace, path, post } from "../lib/api";
import { type AppValues, changes, followable, type Follows, made, refusals, valuesOf } from "../lib/appspec";
import { go, to } from "../lib/router";
import { useStore } from "../lib/store";
import { Problem } from "../lib/ui";
import type { Application } from "../types";
import { Dialog } from "./appactions";

const syncs: [string, Key][] = [["push", "syncPush"], ["pipeline", "syncPipeline"], ["manual", "syncManual"]];

const kinds: Record<Follows, Key> = { branch: "branch", tag: "gitTag", semver: "versions", commit: "commit" };
const examples = { tag: "v1.2.3", semver: "1.x", commit: "4f6c2a9be01d7c35…" };

/** a duration as the server reads it: 90s, 10m, 1h30m */
const durations = "([0-9]+(\\.[0-9]+)?(ms|s|m|h))+";

export function AppForm({ app, close }: { app?: Application; close: () => void }) {
  const [before] = useState(valuesOf(app)); // what others change meanwhile is not taken back
  const [values, setValues] = useState<AppValues>(before);
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const store = useStore();
  const wrong = refusals(error);
  const set = <K extends keyof AppValues>(key: K, v: AppValues[K]) => setValues({ ...values, [key]: v });
  const field = (key: keyof AppValues, label: Key, control: ComponentChildren, hint?: Key) => (
    <div class="field">
      <label for={`app-${key}`}>{t(label)}</label>
      {control}
      {hint ? (
        <p class="hint" id={`app-${key}-hint`}>
          {t(hint)}
        </p>
      ) : null}
      {wrong[key] ? (
        <p class="wrong" role="alert" id={`app-${key}-wrong`}>
          {wrong[key]}
        </p>
      ) : null}
    </div>
  );
  const text = (key: "name" | "repository" | "revision" | "path" | "namespace" | "healthDeadline", more: object = {}) => (
    <input id={`app-${key}`} value={values[key]} onInput={(e) => set(key, e.currentTarget.value)} aria-invalid={wrong[key] ? true : undefined} aria-describedby={`app-${key}-hint app-${key}-wrong`} autocomplete="off" spellcheck={false} {...more} />
  );
  const check = (key: "createNamespace" | "prune" | "heal", label: Key) => (
    <label class="line">
      <input type="checkbox" checked={values[key]} onChange={(e) => set(key, e.currentTarget.checked)} /> {t(label)}
      {wrong[key] ? <span class="wrong"> {wrong[key]}</span> : null}
    </label>
  );
  const chart = app?.spec.source.helm?.repository;
  const save = async (shut: () => void) => {
    setBusy(true);
    setError(undefined);
    try {
      if (!app) {
        await post(path("Application"), made(values));
        shut();
        go(to("applications", values.name.trim()));
        return;
      }
      const spec = changes(values, before);
      if (Object.keys(spec).length) await change(path("Application", app.metadata.name), { spec });
      shut();
    } catch (e) {
      setError(e);
      setBusy(false);
    }
  };
  return (
    <Dialog title={app ? t("changeApp", { name: app.metadata.name }) : t("newApp")} close={close}>
      {(shut) => (
        <form
          class="appform"
          onSubmit={(e) => {
            e.preventDefault();
            void save(shut);
          }}
        >
          {app ? null : field("name", "name", text("name", { required: true, maxLength: 63, pattern: "[a-z0-9]([a-z0-9.\\-]*[a-z0-9])?", title: t("nameHint") }), "nameHint")}
          {field("repository", "repository", <>
            {text("repository", { required: !chart, list: "app-repositories" })}
            <datalist id="app-repositories">
              {store.all("Repository").map((r) => (
                <option key={r.metadata.name} value={r.metadata.name} />
              ))}
            </datalist>
          </>)}
          {field("revision", "follows", (
            <span class="row">
              <select aria-label={t("followedKind")} value={values.follows} onChange={(e) => set("follows", e.currentTarget.value as Follows)}>
                {followable.map((f) => (
                  <option key={f} value={f}>
                    {t(kinds[f])}
                  </option>
                ))}
              </select>
              {text("revision", { class: "fill", required: values.follows !== "branch", placeholder: values.follows === "branch" ? t("branchOfRepository") : examples[values.follows] })}
            </span>
          ))}
          {field("path", "appPath", text("path", { placeholder: "deploy" }), "pathHint")}
          {field("namespace", "goesTo", text("namespace", { placeholder: namespace }), "goesToHint")}
          {values.namespace && values.namespace !== namespace ? check("createNamespace", "makeNamespace") : null}
          {field("sync", "sync", (
            <select id="app-sync" value={values.sync} onChange={(e) => set("sync", e.currentTarget.value)} aria-invalid={wrong.sync ? true : undefined}>
              {syncs.map(([v, key]) => (
                <option key={v} value={v}>
                  {t(key)}
                </option>
              ))}
            </select>
          ))}
          {check("prune", "pruneWhatLeft")}
          {check("heal", "healDrift")}
          {field("healthDeadline", "healthDeadline", text("healthDeadline", { placeholder: "5m", pattern: durations, title: t("healthDeadlineHint") }), "healthDeadlineHint")}
          <Problem error={Object.keys(wrong).length ? undefined : error} />
          <div class="row end">
            <button type="button" onClick={shut}>
              {t("cancel")}
            </button>
            <button type="submit" class="primary" disabled={busy}>
              {app ? t("saveChanges") : t("create")}
            </button>
          </div>
        </form>
      )}
    </Dialog>
  );
}
