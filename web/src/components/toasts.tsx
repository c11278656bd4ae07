// SPDX-License-Identifier: Apache-2.0
// Short news at the edge of the page, read out by screen readers.
import { useSyncExternalStore } from "react";
import type { ApiError } from "../api";
import { ErrorWords } from "./basics";
import { Icon } from "./icon";

type Toast = { id: number; text: string; error?: ApiError };
let toasts: Toast[] = [];
let newest = 0;
const listeners = new Set<() => void>();
function set(next: Toast[]) {
  toasts = next;
  listeners.forEach((listener) => listener());
}
function show(toast: Omit<Toast, "id">, ms: number) {
  const id = ++newest;
  set([...toasts.slice(-3), { ...toast, id }]);
  setTimeout(() => set(toasts.filter((other) => other.id !== id)), ms);
}
export const notify = (text: string) => show({ text }, 4000);
export const notifyError = (error: ApiError) => show({ text: "", error }, 9000);

export function Toasts() {
  const list = useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, () => toasts);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {list.map((toast) => (
        <div key={toast.id} className={`notice ${toast.error ? "bad" : ""}`}>
          <Icon name={toast.error ? "warning" : "check"} />
          <div>{toast.error ? <ErrorWords error={toast.error} /> : toast.text}</div>
        </div>
      ))}
    </div>
  );
}
