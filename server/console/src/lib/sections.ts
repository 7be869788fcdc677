// Sections of a job's log: runs of lines between markers that can be folded away.
// A marker is "section_start:<unix time>:<name>[options]" or "section_end:…", each
// followed by a carriage return, as CI logs have them.

const marker = /(?:\x1b\[0K)?section_(start|end):(\d{1,12}):([\w.-]{1,200})(?:\[([^\]\r\n]*)\])?\r?(?:\x1b\[0K)?/g;

export interface Row {
  /** index of the line in the log */
  at: number;
  text: string;
  /** depth of the section that the line is in */
  depth: number;
  /** a line that begins a section */
  section?: { id: string; open: boolean; seconds?: number };
}

interface Open {
  id: string;
  name: string;
  time: number;
  row: Row | undefined;
  open: boolean;
}

/**
 * rows are the lines to show. A section is open unless its author asked for it to be
 * collapsed; toggled holds the ids of those that a person turned around. With all,
 * everything is open, as a search wants it.
 */
export function rows(lines: readonly string[], toggled: ReadonlySet<string>, all = false): Row[] {
  const out: Row[] = [];
  const stack: Open[] = [];
  const hidden = () => stack.some((s) => !s.open);
  lines.forEach((line, at) => {
    if (!line.includes("section_")) {
      if (!hidden()) out.push({ at, text: line, depth: stack.length });
      return;
    }
    let text = "";
    let from = 0;
    let begun: Open | undefined;
    for (const m of line.matchAll(marker)) {
      text += line.slice(from, m.index);
      from = m.index + m[0].length;
      if (m[1] === "start") {
        const id = `${at}:${m[3]}`;
        const collapsed = /(?:^|,)\s*collapsed=true\s*(?:,|$)/.test(m[4] ?? "");
        begun = { id, name: m[3], time: Number(m[2]), row: undefined, open: all || collapsed === toggled.has(id) };
        stack.push(begun);
      } else {
        const i = stack.map((s) => s.name).lastIndexOf(m[3]);
        if (i < 0) continue;
        const head = stack[i].row?.section;
        if (head) head.seconds = Math.max(0, Number(m[2]) - stack[i].time);
        stack.length = i;
        if (begun && !stack.includes(begun)) begun = undefined;
      }
    }
    text += line.slice(from);
    if (!text && !begun) return;
    const outside = begun ? stack.slice(0, stack.indexOf(begun)).some((s) => !s.open) : hidden();
    if (outside) return;
    const row: Row = { at, text, depth: stack.length - (begun ? 1 : 0) };
    if (begun) {
      row.section = { id: begun.id, open: begun.open };
      begun.row = row;
    }
    out.push(row);
  });
  return out;
}
