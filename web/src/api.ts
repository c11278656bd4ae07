// SPDX-License-Identifier: Apache-2.0
// The one door to the server: requests, errors in one form whichever API
// they come from, and the shapes that pages use.
import { codeOf } from "./told";

/** `local`: its message is this page's own, in the language of the page. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly code = "",
    readonly hint = "",
    readonly local = false,
  ) {
    super(message);
  }
  /** The route is not part of this server. */
  get absent() {
    return this.status === 404 && this.code === "";
  }
}

export const UNAUTHORIZED = "weft:unauthorized";

// Comes with the session; what changes something carries it, and other sites cannot.
let csrf = "";
export function setCsrf(value: string) {
  csrf = value;
}

export function headers(more: Record<string, string> = {}): Record<string, string> {
  return csrf ? { ...more, "X-Weft-CSRF": csrf } : more;
}

export type ProblemBody = {
  detail?: string; title?: string; code?: string; hint?: string;
  error?: { message?: string; code?: string | null };
};

export const toldHere = (message: string, code = "") => new ApiError(400, message, code, "", true);

export function errorFrom(body: ProblemBody, status: number, fallback = ""): ApiError {
  const message = body.detail ?? body.error?.message ?? body.title ?? fallback;
  const code = codeOf(body.code ?? body.error?.code ?? "");
  return new ApiError(status, message || String(status), code, body.hint ?? "");
}

export async function errorOf(response: Response): Promise<ApiError> {
  let body: ProblemBody = {};
  try {
    body = (await response.json()) as ProblemBody;
  } catch {
    // no JSON: the status says enough
  }
  if (response.status === 401 && !response.url.endsWith("/session")) window.dispatchEvent(new Event(UNAUTHORIZED));
  return errorFrom(body, response.status, response.statusText);
}

/** A body that is a text goes as it is: YAML. */
export async function request<T>(
  method: string,
  path: string,
  body?: unknown,
  options: { signal?: AbortSignal; headers?: Record<string, string> } = {},
): Promise<T> {
  const type = typeof body === "string" ? "application/yaml" : "application/json";
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: headers({
        ...(body === undefined ? {} : { "Content-Type": type }),
        ...options.headers,
      }),
      body: body === undefined || typeof body === "string" ? body : JSON.stringify(body),
      signal: options.signal,
    });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError(0, "offline");
  }
  if (!response.ok) throw await errorOf(response);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

export const get = <T>(path: string, signal?: AbortSignal) =>
  request<T>("GET", path, undefined, { signal });
export const post = <T>(path: string, body: unknown = {}, more: Record<string, string> = {}) =>
  request<T>("POST", path, body, { headers: more });

// Shapes

export type RunStatus =
  | "queued" | "running" | "waiting" | "succeeded" | "failed" | "cancelled" | "timed_out";
export type StepStatus =
  | "pending" | "ready" | "running" | "waiting" | "unknown"
  | "succeeded" | "failed" | "skipped" | "cancelled" | "timed_out";

export type Failure = { code?: string; message?: string; hint?: string; kind?: string };

export type Tile = { value: number | null; delta: number | null };
/** [seconds since 1970, ended, succeeded, mean s, p95 s] */
export type SeriesPoint = [number, number, number, number | null, number | null];
export type Overview = {
  now_ms: number; started_ms: number; window_s: number; bucket_s: number;
  model: string | null; ready: boolean; actions: number;
  tiles: {
    processed: Tile; mean_seconds: Tile; success_percent: Tile;
    utilization_percent: { value: number; device: "cpu" | "gpu"; cores: number };
  };
  alive: Partial<Record<RunStatus, number>>;
  series: SeriesPoint[];
  newest: {
    task_id: string; workflow_id: string; status: RunStatus; created_ms: number; finished_ms: number;
  }[];
  engine: {
    running: number; waiting: number; tokens_per_s: number; prompt_tokens: number;
    cached_tokens: number; generated_tokens: number; thinking_tokens: number;
    answer_tokens: number; kv_used: number; kv_cached: number; kv_blocks: number;
  };
};

export type RunSummary = {
  task_id: string; workflow_id: string; status: RunStatus;
  created_at: string; started_at?: string; finished_at?: string; error?: Failure;
};
export type Page<T> = { items: T[]; next_cursor?: string | null };

export type GraphNode = {
  id: string; type: string; after: number[]; join?: string; when?: string;
  status?: StepStatus; attempts?: number; started_ms?: number; finished_ms?: number;
  items?: { total: number; ended: number; failed: number };
  waits_for?: string; error?: Failure; line?: number;
};
export type RunView = {
  task_id: string; workflow_id: string; title: string; version: string; definition: string;
  status: RunStatus; created_ms: number; started_ms: number; finished_ms: number;
  deadline_ms: number; now_ms: number; sequence: number; priority: number; parent: string;
  origin: string; worker: string; input: unknown; output: unknown; error?: Failure; why: string[];
  tokens: { prompt: number; reasoning: number; answer: number; calls: number };
  steps: GraphNode[];
};
/** What a router chose for an answer, and why. */
export type Route = {
  model: string; thinking: "on" | "off" | "auto"; max_tokens: number; why?: string[];
  asked_for?: string; adaptive?: boolean; escalate_to?: string; thinking_budget?: number;
  estimated_price?: number; price?: number; sure?: number; confidence?: number;
};
export type Call = {
  route?: Route; remote?: Record<string, unknown>;
  path: string; n: number; attempt: number; model: string; model_hash: string; prompt_hash: string;
  fingerprint: string; sampler?: Record<string, unknown>; grammar?: string; finish_reason: string;
  chosen?: Record<string, { value: unknown; probability: number }>;
  tokens: { prompt: number; reasoning: number; answer: number };
  tokens_resumed?: number; prefill_ms: number; decode_ms: number;
  reasoning: string; prompt_ids?: number[]; output_ids?: number[]; // absent where texts are redacted
};
export type StepView = {
  id: string; type: string; status: StepStatus; parameters: Record<string, unknown>;
  output: unknown; error?: Failure; why: string[]; when?: string; join: string;
  dependencies: string[];
  history: { at: string; status: string; path?: string; attempt?: number; why?: string }[];
  calls?: Call[]; notes?: unknown[]; asked?: Record<string, unknown>;
  items?: { status: StepStatus; item?: unknown; output: unknown; error?: Failure }[];
  effect?: { key: string; state: string };
};

export type RequiredAction = {
  task_id: string; workflow_id: string; step: string; kind: "approval" | "signal" | "resolve";
  since: string; deadline?: string; role?: string; title?: string; show?: unknown;
  assignees?: string[]; name?: string; schema?: Schema;
};

export type Schema = {
  type?: string | string[]; title?: string; description?: string; enum?: unknown[];
  default?: unknown; properties?: Record<string, Schema>; required?: string[]; items?: Schema;
  minimum?: number; maximum?: number; minLength?: number; maxLength?: number; pattern?: string;
  format?: string; const?: unknown;
};
export type Definition = {
  id: string; hash: string; title?: string; input?: Schema | null; version?: number;
  origin?: "file" | "stored";
  document?: unknown; source?: string; text?: string;
};
export type Problem = {
  code: string; line: number; column: number; message: string; hint: string;
};
export type Checked = {
  valid: boolean; errors: Problem[]; warnings: Problem[]; errors_left_out: number;
  workflow?: {
    id: string; title: string; version: string; hash: string; input: Schema | null;
    steps: GraphNode[];
  };
};
export type ModelState = {
  name: string; source: string; loaded: boolean; context?: number; fingerprint?: string;
  memory_bytes?: number; requests?: number; running?: number; waiting?: number;
  prompt_tokens?: number; cached_tokens?: number; generated_tokens?: number;
  drafted_tokens?: number; accepted_tokens?: number; busy_seconds?: number; kv_used?: number;
  kv_cached?: number; kv_blocks?: number;
};
export type Tool = {
  type: "function"; source: string;
  function: { name: string; description: string; parameters: Schema };
};
