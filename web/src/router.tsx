// SPDX-License-Identifier: Apache-2.0
// Where we are: path and query of the address bar, and links that change them without a reload.
import { type AnchorHTMLAttributes, type MouseEvent, useSyncExternalStore } from "react";

const listeners = new Set<() => void>();
const changed = () => listeners.forEach((listener) => listener());
window.addEventListener("popstate", changed);

/** `state` stays with the address in this tab's history, also over a reload. */
export function navigate(to: string, options: { replace?: boolean; state?: unknown } = {}) {
  if (to === location.pathname + location.search && !options.state) return;
  history[options.replace ? "replaceState" : "pushState"](options.state ?? null, "", to);
  changed();
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useLocation() {
  const href = useSyncExternalStore(subscribe, () => location.pathname + location.search);
  const url = new URL(href, location.origin);
  return { path: url.pathname, query: url.searchParams };
}

/** What navigate() left with this address; read again when the address or its state changes. */
export function useHistoryState<T>(active: boolean): T | null {
  const state = useSyncExternalStore(subscribe, () => history.state as T | null);
  return active ? state : null;
}

/** The address with these parameters changed; an empty value takes one away. */
export function withQuery(changes: Record<string, string>): string {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  const text = query.toString();
  return location.pathname + (text ? `?${text}` : "");
}

export function Link({ to, ...rest }: { to: string } & AnchorHTMLAttributes<HTMLAnchorElement>) {
  const go = (event: MouseEvent<HTMLAnchorElement>) => {
    rest.onClick?.(event);
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(to);
    window.scrollTo(0, 0);
  };
  return <a {...rest} href={to} onClick={go} />;
}
