// Reading JSON that somebody else wrote: own members only, of the wanted type, never
// more of it than there is a use for.

export class In {
  private constructor(private readonly value: unknown) {}

  static of(value: unknown): In {
    return new In(value);
  }

  private get object(): Record<string, unknown> | undefined {
    return typeof this.value === "object" && this.value !== null && !Array.isArray(this.value) ? (this.value as Record<string, unknown>) : undefined;
  }

  get(key: string): In {
    const o = this.object;
    return new In(o && Object.hasOwn(o, key) ? o[key] : undefined);
  }

  get there(): boolean {
    return this.value !== undefined && this.value !== null;
  }

  /** str is a text, or a number or a truth as one. */
  str(fallback = "", most = 300): string {
    const v = this.value;
    const text = typeof v === "string" ? v : typeof v === "number" || typeof v === "boolean" ? String(v) : fallback;
    return text.length > most ? text.slice(0, most) : text;
  }

  /** num is a finite number, or a text of one. */
  num(): number | undefined {
    const v = typeof this.value === "string" && this.value.trim() ? Number(this.value) : this.value;
    return typeof v === "number" && Number.isFinite(v) ? v : undefined;
  }

  bool(fallback = false): boolean {
    return typeof this.value === "boolean" ? this.value : fallback;
  }

  list(most: number): In[] {
    return Array.isArray(this.value) ? this.value.slice(0, most).map((v) => new In(v)) : [];
  }

  /** size of a list or an object, to say that some of it is left out. */
  get size(): number {
    return Array.isArray(this.value) ? this.value.length : this.object ? Object.keys(this.object).length : 0;
  }

  entries(most: number): [string, In][] {
    return Object.entries(this.object ?? {})
      .slice(0, most)
      .map(([k, v]) => [k, new In(v)]);
  }

  /** strs are the texts of a list, or the one that stands in its place. */
  strs(most: number, each = 300): string[] {
    if (Array.isArray(this.value)) return this.list(most).map((v) => v.str("", each));
    return this.there && !this.object ? [this.str("", each)] : [];
  }
}
