// SPDX-License-Identifier: Apache-2.0
// Data of the server as state of a component.
import { useCallback, useEffect, useRef, useState } from "react";
import { ApiError, get } from "./api";
import { follow, type StreamEvent, type StreamState } from "./events";

export type Loaded<T> = {
  data: T | null; error: ApiError | null; loading: boolean; reload: () => void;
};

// What was asked for before its page was there; each is taken once.
const early = new Map<string, Promise<unknown>>();

/** Asks for what a page that is still being loaded will want. */
export function prefetch(path: string) {
  const answer = get<unknown>(path);
  answer.catch(() => {}); // told to whoever takes it
  early.set(path, answer);
}

function ask<T>(path: string, signal: AbortSignal): Promise<T> {
  const begun = early.get(path) as Promise<T> | undefined;
  early.delete(path);
  return begun ?? get<T>(path, signal);
}

/** Reads `path` (null: nothing), again on reload() and every `everyMs`; keeps what it had. */
export function useData<T>(path: string | null, everyMs = 0): Loaded<T> {
  const [state, setState] = useState<{ path: string | null; data: T | null; error: ApiError | null }>(
    { path: null, data: null, error: null },
  );
  const [count, setCount] = useState(0);
  const reload = useCallback(() => setCount((n) => n + 1), []);
  useEffect(() => {
    if (path === null) return;
    const stop = new AbortController();
    ask<T>(path, stop.signal)
      .then((data) => stop.signal.aborted || setState({ path, data, error: null }))
      .catch((error: unknown) => {
        if (stop.signal.aborted) return;
        const told = error instanceof ApiError ? error : new ApiError(0, String(error));
        setState((old) => ({ path, data: old.path === path ? old.data : null, error: told }));
      });
    return () => stop.abort();
  }, [path, count]);
  useEffect(() => {
    if (!everyMs || path === null) return;
    const timer = setInterval(() => document.hidden || reload(), everyMs);
    return () => clearInterval(timer);
  }, [everyMs, path, reload]);
  const mine = state.path === path;
  return {
    data: mine ? state.data : null,
    error: mine ? state.error : null,
    loading: path !== null && !mine,
    reload,
  };
}

/** Follows a stream while the component is there. */
export function useStream(
  path: string | null,
  onEvent: (event: StreamEvent) => void,
  lastId = "",
  onError?: (error: ApiError | null) => void,
): StreamState {
  const [state, setState] = useState<StreamState>("connecting");
  const handler = useRef(onEvent);
  handler.current = onEvent;
  const failed = useRef(onError);
  failed.current = onError;
  const from = useRef(lastId);
  from.current = lastId;
  useEffect(() => {
    if (path === null) return;
    return follow(path, { event: (event) => handler.current(event), state: setState,
      error: (error) => failed.current?.(error) }, from.current);
  }, [path]);
  return state;
}

/** The time, every so often: for what is still running. */
export function useNow(everyMs: number, active = true): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!active) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs, active]);
  return now;
}

export function useDebounced<T>(value: T, ms: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}
