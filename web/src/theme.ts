// SPDX-License-Identifier: Apache-2.0
// Light, dark, or as the system has it. Colours themselves are custom properties (styles/tokens.css).
import { useSyncExternalStore } from "react";

export type Theme = "system" | "light" | "dark";
const KEY = "weft.theme";
const dark = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

export function theme(): Theme {
  const stored = localStorage.getItem(KEY);
  return stored === "light" || stored === "dark" ? stored : "system";
}
function shown(): "light" | "dark" {
  const wanted = theme();
  return wanted === "system" ? (dark.matches ? "dark" : "light") : wanted;
}
function apply() {
  document.documentElement.dataset.theme = shown();
  listeners.forEach((listener) => listener());
}
export function setTheme(wanted: Theme) {
  if (wanted === "system") localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, wanted);
  apply();
}
dark.addEventListener("change", apply);
apply();

export function useShownTheme(): "light" | "dark" {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, shown);
}
