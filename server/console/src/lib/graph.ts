// Where the jobs of a run stand: layers by what they wait for, few crossings.
import type { Job } from "../types";

export interface Node {
  job: Job;
  x: number;
  y: number;
}

export interface Edge {
  from: string;
  to: string;
  path: string;
}

export interface Layout {
  nodes: Node[];
  edges: Edge[];
  width: number;
  height: number;
}

export const box = { width: 190, height: 52, gapX: 56, gapY: 16, margin: 8 };

/** layers puts every job right of all that it needs; a cycle cannot hang it. */
export function layers(jobs: Job[]): Job[][] {
  const byName = new Map(jobs.map((j) => [j.name, j]));
  const depth = new Map<string, number>();
  const visiting = new Set<string>();
  const visit = (j: Job): number => {
    const known = depth.get(j.name);
    if (known !== undefined) return known;
    if (visiting.has(j.name)) return 0;
    visiting.add(j.name);
    let d = 0;
    for (const n of j.needs ?? []) {
      const need = byName.get(n);
      if (need) d = Math.max(d, visit(need) + 1);
    }
    visiting.delete(j.name);
    depth.set(j.name, d);
    return d;
  };
  const out: Job[][] = [];
  for (const j of jobs) (out[visit(j)] ??= []).push(j);
  return out.filter(Boolean);
}

/** visible edges: one that a longer way implies is left out. */
function reduced(jobs: Job[]): Map<string, string[]> {
  const needs = new Map(jobs.map((j) => [j.name, (j.needs ?? []).filter((n) => jobs.some((k) => k.name === n))]));
  const above = new Map<string, Set<string>>();
  const ancestors = (name: string, seen: Set<string>): Set<string> => {
    const known = above.get(name);
    if (known) return known;
    const out = new Set<string>();
    if (seen.has(name)) return out;
    seen.add(name);
    for (const n of needs.get(name) ?? []) {
      out.add(n);
      for (const a of ancestors(n, seen)) out.add(a);
    }
    above.set(name, out);
    return out;
  };
  return new Map(
    [...needs].map(([name, list]) => [name, list.filter((n) => !list.some((m) => m !== n && ancestors(m, new Set()).has(n)))]),
  );
}

export function layout(jobs: Job[]): Layout {
  const columns = layers(jobs);
  const row = new Map<string, number>();
  for (const [i, column] of columns.entries()) {
    if (i > 0) {
      const centre = (j: Job) => {
        const rows = (j.needs ?? []).map((n) => row.get(n)).filter((r) => r !== undefined);
        return rows.length ? rows.reduce((a, b) => a + b, 0) / rows.length : 0;
      };
      const order = new Map(column.map((j, k) => [j.name, centre(j) + k * 1e-6]));
      column.sort((a, b) => (order.get(a.name) ?? 0) - (order.get(b.name) ?? 0));
    }
    column.forEach((j, k) => row.set(j.name, k - (column.length - 1) / 2));
  }
  const tallest = Math.max(1, ...columns.map((c) => c.length));
  const height = tallest * (box.height + box.gapY) - box.gapY + 2 * box.margin;
  const nodes: Node[] = [];
  const place = new Map<string, Node>();
  columns.forEach((column, i) =>
    column.forEach((job) => {
      const node = {
        job,
        x: box.margin + i * (box.width + box.gapX),
        y: height / 2 + (row.get(job.name) ?? 0) * (box.height + box.gapY) - box.height / 2,
      };
      nodes.push(node);
      place.set(job.name, node);
    }),
  );
  const edges: Edge[] = [];
  for (const [to, list] of reduced(jobs)) {
    for (const from of list) {
      const a = place.get(from);
      const b = place.get(to);
      if (!a || !b || a.x >= b.x) continue;
      const x1 = a.x + box.width;
      const y1 = a.y + box.height / 2;
      const y2 = b.y + box.height / 2;
      const half = box.gapX / 2;
      // Bend right before the target, so that long edges pass between the rows.
      edges.push({ from, to, path: `M${x1},${y1} H${b.x - 2 * half} C${b.x - half},${y1} ${b.x - half},${y2} ${b.x},${y2}` });
    }
  }
  return {
    nodes,
    edges,
    width: Math.max(1, columns.length) * (box.width + box.gapX) - box.gapX + 2 * box.margin,
    height,
  };
}
