import { useEffect, useState } from "preact/hooks";
import { t } from "../i18n";
import { BoardLink } from "../lib/boardlink";
import { get } from "../lib/api";
import { Ago, Empty, Problem, State, Table, type Column } from "../lib/ui";
import type { Component } from "../types";

interface Status {
  ready: boolean;
  components: Component[] | null;
}

export function StatusPage() {
  const [status, setStatus] = useState<Status>();
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    const abort = new AbortController();
    const load = () =>
      get<Status>("/api/v1/status", abort.signal).then(
        (s) => {
          setStatus(s);
          setError(undefined);
        },
        (e: unknown) => {
          if (!abort.signal.aborted) setError(e);
        },
      );
    void load();
    const id = window.setInterval(load, 5000);
    return () => {
      abort.abort();
      window.clearInterval(id);
    };
  }, []);
  const optional = status?.components?.some((c) => !c.ready);
  const columns: Column<Component>[] = [
    { head: t("component"), cell: (c) => c.name },
    { head: t("phase"), cell: (c) => <State value={c.ready ? "Healthy" : "Failed"} /> },
    { head: t("message"), cell: (c) => c.message ?? "" },
    { head: t("age"), cell: (c) => (c.since && !Number.isNaN(Date.parse(c.since)) ? <Ago time={c.since} /> : (c.since ?? "")), wide: true },
  ];
  return (
    <>
      <div class="row head">
        <h1>{t("status")}</h1>
        <span class="fill" />
        <BoardLink board="slipway" />
      </div>
      <Problem error={error} />
      {status ? (
        <>
          <p class={`notice ${!status.ready ? "bad" : optional ? "warn" : "good"}`} role="status">
            {!status.ready ? t("someNotReady") : optional ? t("optionalNotReady") : t("allReady")}
          </p>
          <Table label={t("status")} rows={status.components ?? []} columns={columns} id={(c) => c.name} />
        </>
      ) : error ? null : (
        <Empty>{t("loading")}</Empty>
      )}
    </>
  );
}
