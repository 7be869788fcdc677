// Where an address that somebody else wrote may lead: to a page, here or elsewhere.

export function link(url: string): string | undefined {
  const s = url.trim();
  if (/^\/(?![/\\])/.test(s) || /^[?#]/.test(s)) return s;
  try {
    const u = new URL(s);
    return u.protocol === "http:" || u.protocol === "https:" ? u.href : undefined;
  } catch {
    return /^[\w.-]+(\/[\w./-]*)?([?#].*)?$/.test(s) ? s : undefined;
  }
}
