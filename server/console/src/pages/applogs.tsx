// The logs of an application's pods in one list, of all or of some.
import { useState } from "preact/hooks";
import { t } from "../i18n";
import { FollowChoice, LogRows, RangeChoice, type Range } from "../lib/logrows";

interface Pod {
  name: string;
  containers?: string[];
}

/** logQuery of an application, or of a pod, a container and words; it is text in a query, not a part of it. */
export function logQuery(app: string, pod: string, container: string, words: string): string {
  const is = (field: string, value: string) => (value ? `${field}:=${JSON.stringify(value)} ` : "");
  return (is("application", app) + is("pod", pod) + is("container", container) + words.trim()).trim();
}

export function PodLogs({ app, ns, pods }: { app: string; ns: string; pods: Pod[] }) {
  const [pod, setPod] = useState(app ? "" : (pods[0]?.name ?? ""));
  const [container, setContainer] = useState("");
  const [typed, setTyped] = useState("");
  const [words, setWords] = useState("");
  const [range, setRange] = useState<Range>("lastHour");
  const [follow, setFollow] = useState(false);
  const containers = [...new Set(pods.filter((p) => !pod || p.name === pod).flatMap((p) => p.containers ?? []))].sort();
  return (
    <>
      <form
        class="row tools"
        role="search"
        onSubmit={(e) => {
          e.preventDefault();
          setWords(typed);
        }}
      >
        {app ? (
          <select aria-label={t("pod")} value={pod} onChange={(e) => setPod(e.currentTarget.value)}>
            <option value="">{t("allPods", { n: pods.length })}</option>
            {pods.map((p) => (
              <option key={p.name} value={p.name}>
                {p.name}
              </option>
            ))}
          </select>
        ) : null}
        <select aria-label={t("container")} value={container} onChange={(e) => setContainer(e.currentTarget.value)}>
          <option value="">{t("allContainers")}</option>
          {containers.map((c) => (
            <option key={c} value={c}>
              {c}
            </option>
          ))}
        </select>
        <input type="search" class="fill" placeholder={t("logQuery")} aria-label={t("logQuery")} value={typed} onInput={(e) => setTyped(e.currentTarget.value)} />
        <RangeChoice range={range} choose={setRange} />
        <FollowChoice follow={follow} choose={setFollow} />
        <button type="submit">{t("search")}</button>
      </form>
      <LogRows query={logQuery(app, pod, container, words)} range={range} follow={follow} ns={ns} />
    </>
  );
}
