// SPDX-License-Identifier: Apache-2.0
// Server-sent events over fetch, because EventSource does not say why it failed. A connection that
// breaks is opened again, with the id of the last event: what was missed comes then.
import { ApiError, errorOf, headers } from "./api";

export type StreamEvent = { id: string; event: string; data: string };
export type StreamState = "connecting" | "live" | "lost";

const RETRY_MS = [400, 800, 1500, 3000, 5000];

function parseEvents(text: string): { events: StreamEvent[]; rest: string } {
  const events: StreamEvent[] = [];
  const blocks = text.split("\n\n");
  const rest = blocks.pop() ?? "";
  for (const block of blocks) {
    const event: StreamEvent = { id: "", event: "message", data: "" };
    for (const line of block.split("\n")) {
      const colon = line.indexOf(":");
      if (colon <= 0) continue; // a comment keeps the connection open
      const value = line.slice(colon + 1).replace(/^ /, "");
      const field = line.slice(0, colon);
      if (field === "id") event.id = value;
      if (field === "event") event.event = value;
      if (field === "data") event.data += (event.data ? "\n" : "") + value;
    }
    if (event.data) events.push(event);
  }
  return { events, rest };
}

/** The events of an answer as they come, until it ends. */
export async function* eventsOf(response: Response): AsyncGenerator<StreamEvent> {
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parsed = parseEvents(buffer + value);
    buffer = parsed.rest;
    yield* parsed.events;
  }
}

/** Sends a body and reads the events that answer it. */
export async function* postEvents(path: string, body: unknown,
  signal: AbortSignal): AsyncGenerator<StreamEvent> {
  const response = await fetch(path, {
    method: "POST", signal, body: JSON.stringify(body),
    headers: headers({ "Content-Type": "application/json", Accept: "text/event-stream" }),
  });
  if (!response.ok) throw await errorOf(response);
  yield* eventsOf(response);
}

/** Follows a stream until the function it returns is called, or the server says that it is over. */
export function follow(
  path: string,
  on: {
    event: (event: StreamEvent) => void; state?: (state: StreamState) => void;
    error?: (error: ApiError | null) => void;
  },
  lastId = "",
): () => void {
  const stop = new AbortController();
  let failures = 0;
  let over = false;

  const read = async () => {
    const response = await fetch(path, {
      headers: headers({
        Accept: "text/event-stream", ...(lastId ? { "Last-Event-ID": lastId } : {}),
      }),
      signal: stop.signal,
    });
    if (!response.ok) {
      if (response.status < 500 && response.status !== 429) over = true;
      throw await errorOf(response);
    }
    failures = 0;
    on.error?.(null);
    on.state?.("live");
    for await (const event of eventsOf(response)) {
      if (event.id) lastId = event.id;
      if (event.event === "end") over = true;
      on.event(event);
    }
  };

  const loop = async () => {
    while (!stop.signal.aborted && !over) {
      on.state?.(failures ? "lost" : "connecting");
      try {
        await read();
      } catch (failure) {
        if (!stop.signal.aborted && failure instanceof ApiError) on.error?.(failure);
      }
      if (stop.signal.aborted || over) return;
      on.state?.("lost");
      const wait = RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)];
      await new Promise((done) => setTimeout(done, wait));
    }
  };
  void loop();
  return () => stop.abort();
}
