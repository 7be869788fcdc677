// The objects of an application, kept current by a stream of its own while somebody looks.
import { useEffect, useState } from "preact/hooks";
import type { ObjectReference } from "../types";
import { get, path } from "./api";

export interface TreeNode extends ObjectReference {
  id: string;
  parent?: string;
  hook?: boolean;
  drifted?: boolean;
  extra?: string;
  created?: string;
  info?: string;
  containers?: string[];
}

export interface ObjectView extends TreeNode {
  live?: string;
  desired?: string;
  change?: { action: string; diff?: string; fields?: string[]; managers?: string[] };
  problem?: string;
  events: { type: string; reason: string; message: string; count?: number; last: string; from?: string }[] | null;
}

export interface Branch {
  node: TreeNode;
  depth: number;
  /** how many nodes are below */
  below: number;
}

/** branches are the nodes in their order with their depth, without what is below closed ones. */
export function branches(nodes: readonly TreeNode[], closed: ReadonlySet<string>): Branch[] {
  const depth = new Map<string, number>();
  const hidden = new Set<string>();
  const at = new Map<string, Branch>();
  const parent = new Map(nodes.map((n) => [n.id, n.parent]));
  const out: Branch[] = [];
  for (const node of nodes) {
    const up = node.parent;
    const d = up === undefined ? 0 : (depth.get(up) ?? 0) + 1;
    depth.set(node.id, d);
    for (let p = up; p !== undefined; p = parent.get(p)) {
      const b = at.get(p);
      if (b) b.below++;
    }
    if (up !== undefined && (hidden.has(up) || closed.has(up))) {
      hidden.add(node.id);
      continue;
    }
    const b = { node, depth: d, below: 0 };
    at.set(node.id, b);
    out.push(b);
  }
  return out;
}

/** keyOf an object names it in an address: group/kind/namespace/name. */
export function keyOf(o: ObjectReference): string {
  return [o.group ?? "", o.kind, o.namespace ?? "", o.name].join("/");
}

/** queryOf a key is what the server is asked; undefined if it is none. */
export function queryOf(key: string): URLSearchParams | undefined {
  const [group, kind, namespace, ...name] = key.split("/");
  if (!kind || !name.length) return undefined;
  return new URLSearchParams({ group, kind, namespace, name: name.join("/") });
}

const again = 5000;

/** useTree reads the tree as it changes. A page that nobody sees holds no stream. */
export function useTree(name: string): { nodes?: TreeNode[]; error?: unknown } {
  const [nodes, setNodes] = useState<TreeNode[]>();
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    let source: EventSource | undefined;
    let timer = 0;
    const open = () => {
      window.clearTimeout(timer);
      if (source || document.hidden) return;
      source = new EventSource(`${path("Application", name, "tree")}?watch=true`);
      source.onmessage = (e: MessageEvent<string>) => {
        setNodes((JSON.parse(e.data) as { items: TreeNode[] | null }).items ?? []);
        setError(undefined);
      };
      source.onerror = () => {
        if (source?.readyState !== EventSource.CLOSED) return; // it comes back by itself
        source = undefined;
        // Refused, or gone: the plain answer says why.
        get<{ items: TreeNode[] | null }>(path("Application", name, "tree")).then((t) => setNodes(t.items ?? []), setError);
        timer = window.setTimeout(open, again);
      };
    };
    const close = () => {
      source?.close();
      source = undefined;
    };
    const seen = () => (document.hidden ? close() : open());
    document.addEventListener("visibilitychange", seen);
    open();
    return () => {
      document.removeEventListener("visibilitychange", seen);
      window.clearTimeout(timer);
      close();
    };
  }, [name]);
  return { nodes, error };
}
