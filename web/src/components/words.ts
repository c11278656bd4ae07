// SPDX-License-Identifier: Apache-2.0
// The words of the workflow format that the editor offers (docs/workflow-format.md). What is right
// the server says; these only save typing.
export const KEYS = ["weft", "id", "version", "title", "priority", "timeout", "input",
  "workflow_config", "defaults", "schedule", "tools", "steps", "output"];
export const STEP_KEYS = ["id", "type", "dependencies", "parameters", "when", "join", "for_each",
  "concurrency", "retry", "timeout", "fallback", "on_error", "output_as", "priority",
  "idempotency_key", "on_unknown"];
export const TYPES = ["llm", "agent", "http", "set", "validate", "file", "wait", "approval", "signal",
  "workflow", "plan", "database", "notification", "shell", "mcp"];
const MODEL = ["prompt", "messages", "model", "class", "mode", "system", "output", "thinking",
  "max_tokens", "temperature", "top_p", "top_k", "min_p", "seed", "stop", "samples"];
export const PARAMETERS: Record<string, string[]> = {
  llm: MODEL,
  agent: ["goal", "tools", "approve_tools", "approve_role", "approve_timeout", "max_turns",
    "tool_errors", ...MODEL.slice(2)],
  plan: ["steps", "goal", "types", "max_steps", "input", ...MODEL.slice(2)],
  database: ["connection", "query", "args", "rows_max"],
  notification: ["channel", "to", "text", "subject", "headers"],
  shell: ["command", "stdin", "directory", "environment"],
  http: ["url", "method", "headers", "query", "body", "json", "form", "expect_status",
    "follow_redirects", "bytes_max"],
  set: ["value"],
  validate: ["value", "schema"],
  file: ["action", "path", "content", "format", "separator", "header"],
  wait: ["for", "until"],
  approval: ["role", "assignees", "title", "show", "on_timeout", "escalate_to", "on_reject"],
  signal: ["name", "schema"],
  workflow: ["workflow", "input", "version"],
};
