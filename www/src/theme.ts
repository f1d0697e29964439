import { el } from "./dom.ts";

type Theme = "system" | "light" | "dark";

// public/theme.js reads the same key before the first paint.
const KEY = "lexigraft.theme";
const next: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const names: Record<Theme, string> = { system: "System", light: "Light", dark: "Dark" };

function stored(): Theme {
  const theme = document.documentElement.dataset.theme;
  return theme === "light" || theme === "dark" ? theme : "system";
}

function apply(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // No storage: the choice lasts as long as the page.
  }
}

/** The button that steps through system, light and dark. */
export function themeToggle(): HTMLElement {
  let theme = stored();
  const label = el("span", {}, names[theme]);
  const button = el(
    "button",
    { type: "button", class: "quiet theme-toggle", testid: "theme" },
    el("span", { class: "theme-mark", "aria-hidden": "true" }),
    el("span", { class: "visually-hidden" }, "Theme: "),
    label,
  );
  button.addEventListener("click", () => {
    theme = next[theme];
    apply(theme);
    label.textContent = names[theme];
  });
  return button;
}
