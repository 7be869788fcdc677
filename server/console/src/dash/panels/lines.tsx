// Lines of logs: text as text, whatever a program printed; a click shows a line's fields.
import { useState } from "preact/hooks";
import { t } from "../../i18n";
import { dateTime } from "../../lib/format";
import { Text } from "../../lib/logrows";
import type { Line } from "../data";
import type { Drawing } from "./context";

function Row({ line, time, fields }: { line: Line; time: boolean; fields: boolean }) {
  const [open, setOpen] = useState(false);
  const pod = line.fields.find(([k]) => k === "pod")?.[1];
  return (
    <>
      <tr>
        {time ? <td class="when wide">{dateTime(new Date(line.time).toISOString())}</td> : null}
        <td>
          {fields ? (
            <button type="button" class="around" aria-expanded={open} aria-label={t("fields")} onClick={() => setOpen(!open)}>
              {open ? "▾" : "▸"}
            </button>
          ) : null}
        </td>
        <td class="pod wide">{pod}</td>
        <td>
          <Text line={line.text} />
        </td>
      </tr>
      {open ? (
        <tr>
          <td colSpan={4}>
            <dl class="fields">
              {line.fields.map(([k, v]) => (
                <div key={k}>
                  <dt>{k}</dt>
                  <dd>{v}</dd>
                </div>
              ))}
            </dl>
          </td>
        </tr>
      ) : null}
    </>
  );
}

export function Lines(d: Drawing) {
  const o = d.panel.options;
  const oldest = o.get("sortOrder").str() === "Ascending";
  const lines = [...d.data.lines].sort((a, b) => (oldest ? a.time - b.time : b.time - a.time));
  // A line that stays keeps its fields open when others come.
  const seen = new Map<string, number>();
  const keys = lines.map((l) => {
    const own = `${l.time} ${l.text}`;
    seen.set(own, (seen.get(own) ?? 0) + 1);
    return `${own} ${seen.get(own)}`;
  });
  return (
    <div class={o.get("wrapLogMessage").bool(true) ? "rows scroll" : "rows scroll unwrapped"} tabIndex={0} role="log" aria-label={d.panel.title}>
      <table>
        <tbody>
          {lines.map((line, i) => (
            <Row key={keys[i]} line={line} time={o.get("showTime").bool()} fields={o.get("enableLogDetails").bool(true) || line.fields.length > 0} />
          ))}
        </tbody>
      </table>
    </div>
  );
}
