// The jobs of a run as a graph: state, duration, and a way to each job's log.
import { t, word } from "../i18n";
import type { Job } from "../types";
import { span } from "./format";
import { box, layout } from "./graph";

const signs: Record<string, string> = { Pending: "○", Running: "◐", Succeeded: "✓", Failed: "✕", Canceled: "⊘", Skipped: "–" };

function fit(name: string): string {
  return name.length > 21 ? `${name.slice(0, 20)}…` : name;
}

export function Graph(props: { jobs: Job[]; selected?: string; select: (name: string) => void; now: number }) {
  const l = layout(props.jobs);
  return (
    <div class="scroll graph">
      <svg width={l.width} height={l.height} viewBox={`0 0 ${l.width} ${l.height}`} role="group" aria-label={t("graph")}>
        {l.edges.map((e) => (
          <path key={`${e.from} ${e.to}`} class="edge" d={e.path} />
        ))}
        {l.nodes.map(({ job, x, y }) => {
          const note = job.startedAt ? span(job.startedAt, job.finishedAt, props.now) : job.manual ? t("manualJob") : (job.stage ?? "");
          return (
            <g
              key={job.name}
              class={`node is-${job.phase}${job.name === props.selected ? " selected" : ""}`}
              transform={`translate(${x} ${y})`}
              role="button"
              tabindex={0}
              aria-label={`${job.name}: ${word(job.phase)}${note ? `, ${note}` : ""}`}
              aria-pressed={job.name === props.selected}
              data-job={job.name}
              onClick={() => props.select(job.name)}
              onKeyDown={(e: KeyboardEvent) => {
                if (e.key !== "Enter" && e.key !== " ") return;
                e.preventDefault();
                props.select(job.name);
              }}
            >
              <title>{job.message ? `${job.name}: ${job.message}` : job.name}</title>
              <rect width={box.width} height={box.height} rx={8} />
              <text class="sign" x={18} y={box.height / 2 + 6}>
                {signs[job.phase] ?? "○"}
              </text>
              <text class="name" x={36} y={22}>
                {fit(job.name)}
              </text>
              <text class="note" x={36} y={40}>
                {fit(note)}
              </text>
            </g>
          );
        })}
      </svg>
    </div>
  );
}
