// Light, dark, or whatever the system says.

export type Theme = "system" | "light" | "dark";

export function theme(): Theme {
  const t = localStorage.getItem("slipway.theme");
  return t === "light" || t === "dark" ? t : "system";
}

export function setTheme(t: Theme): void {
  if (t === "system") localStorage.removeItem("slipway.theme");
  else localStorage.setItem("slipway.theme", t);
  applyTheme();
}

export function applyTheme(): void {
  const t = theme();
  if (t === "system") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.setAttribute("data-theme", t);
}

/** onTheme tells when light becomes dark or the other way round, until it is called off. */
export function onTheme(f: () => void): () => void {
  const chosen = new MutationObserver(f);
  chosen.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", f);
  return () => {
    chosen.disconnect();
    system.removeEventListener("change", f);
  };
}
