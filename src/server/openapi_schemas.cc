// SPDX-License-Identifier: Apache-2.0
#include "server/openapi_schemas.h"

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace weft::server {
namespace {

constexpr std::string_view kShared = R"json({
"Anything": {"description": "any JSON"},
"Object": {"type": "object"},
"Time": {"type": "string", "format": "date-time"},
"Texts": {"type": "array", "items": {"type": "string"}},
"Cursor": {"type": ["string", "null"], "description": "of the next page; null: there is none"},
"Problem": {"description": "RFC 7807", "type": "object", "required": ["type", "title", "status",
 "detail"], "properties": {"type": {"type": "string"}, "title": {"type": "string"},
 "status": {"type": "integer"}, "detail": {"type": "string"},
 "code": {"type": "string", "description": "docs/errors/CODE.md explains it"},
 "hint": {"type": "string"}, "errors": {"type": "array", "items": {"$ref":
 "#/components/schemas/Finding"}}, "errors_left_out": {"type": "integer"}}},
"Finding": {"description": "what is wrong in a document, and where", "type": "object",
 "required": ["code", "line", "column", "message"], "properties": {"code": {"type": "string"},
 "line": {"type": "integer"}, "column": {"type": "integer"}, "message": {"type": "string"},
 "hint": {"type": "string"}}},
"OpenaiError": {"type": "object", "required": ["error"], "properties": {"error": {"type":
 "object", "required": ["message", "type"], "properties": {"message": {"type": "string"},
 "type": {"type": "string"}, "param": {"type": ["string", "null"]},
 "code": {"type": ["string", "null"]}}}}}
})json";

constexpr std::string_view kRuns = R"json({
"WorkflowRequest": {"type": "object", "required": ["workflow_id"], "additionalProperties": false,
 "properties": {"workflow_id": {"type": "string"}, "input_data": {"type": ["object", "null"]},
 "priority": {"type": ["integer", "null"], "minimum": 1, "maximum": 100, "default": 1},
 "callback_url": {"type": ["string", "null"], "description": "told of the run's end"}}},
"Accepted": {"type": "object", "required": ["task_id", "status", "estimated_completion"],
 "properties": {"task_id": {"type": "string"}, "status": {"const": "queued"},
 "estimated_completion": {"$ref": "#/components/schemas/Time"}}},
"RunStatus": {"enum": ["queued", "running", "waiting", "succeeded", "failed", "cancelled",
 "timed_out"]},
"StepStatus": {"enum": ["pending", "ready", "running", "waiting", "unknown", "succeeded", "failed",
 "skipped", "cancelled", "timed_out"]},
"Failure": {"type": "object", "properties": {"code": {"type": "string"}, "message":
 {"type": "string"}, "hint": {"type": "string"}, "step": {"type": "string"}}},
"Tokens": {"type": "object", "required": ["prompt", "reasoning", "answer"], "properties":
 {"prompt": {"type": "integer"}, "reasoning": {"type": "integer"}, "answer": {"type": "integer"},
 "calls": {"type": "integer"}}},
"Step": {"type": "object", "required": ["status", "output", "attempts", "ms"], "properties":
 {"status": {"$ref": "#/components/schemas/StepStatus"}, "output": {}, "attempts":
 {"type": "integer"}, "ms": {"type": "integer"}, "model": {"type": "string"}, "tokens":
 {"$ref": "#/components/schemas/Tokens"}, "items": {"type": "array", "items":
 {"$ref": "#/components/schemas/StepStatus"}}, "error": {"$ref": "#/components/schemas/Failure"}}},
"Run": {"type": "object", "required": ["task_id", "run", "workflow", "status", "output", "steps"],
 "properties": {"task_id": {"type": "string"}, "run": {"type": "string"}, "workflow":
 {"type": "string"}, "status": {"$ref": "#/components/schemas/RunStatus"}, "output": {}, "steps":
 {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Step"}}, "error":
 {"$ref": "#/components/schemas/Failure"}}},
"RunSummary": {"type": "object", "required": ["task_id", "workflow_id", "status", "created_at"],
 "properties": {"task_id": {"type": "string"}, "workflow_id": {"type": "string"}, "status":
 {"$ref": "#/components/schemas/RunStatus"}, "created_at": {"$ref": "#/components/schemas/Time"},
 "started_at": {"$ref": "#/components/schemas/Time"}, "finished_at":
 {"$ref": "#/components/schemas/Time"}, "error": {"$ref": "#/components/schemas/Failure"}}},
"Act": {"type": "object", "additionalProperties": false, "properties": {"by": {"type": "string",
 "minLength": 1}, "reason": {"type": "string"}}},
"Decision": {"type": "object", "required": ["decision"], "additionalProperties": false,
 "properties": {"decision": {"enum": ["approved", "rejected"]}, "comment": {"type": "string"},
 "by": {"type": "string", "minLength": 1}}},
"Resolution": {"type": "object", "required": ["decision"], "additionalProperties": false,
 "properties": {"decision": {"enum": ["retry", "succeed", "fail"]}, "output": {}, "by":
 {"type": "string", "minLength": 1}}},
"From": {"type": "object", "additionalProperties": false, "properties": {"from":
 {"type": "string"}}},
"Fork": {"type": "object", "required": ["from"], "additionalProperties": false, "properties":
 {"from": {"type": "string"}, "set": {"type": "object"}}},
"Outcome": {"type": "object", "required": ["task_id", "act", "outcome"], "properties":
 {"task_id": {"type": "string"}, "act": {"type": "string"}, "outcome": {"type": "string"}}},
"Restarted": {"type": "object", "required": ["task_id", "status", "origin", "kept"], "properties":
 {"task_id": {"type": "string"}, "status": {"const": "queued"}, "origin": {"type": "string"},
 "kept": {"type": "integer", "description": "results of steps that were taken over"}}},
"Removed": {"type": "object", "required": ["task_id", "removed", "events", "copies", "untold",
 "wiped"], "properties": {"task_id": {"type": "string"}, "removed":
 {"$ref": "#/components/schemas/Texts"}, "events": {"type": "integer"}, "copies":
 {"description": "runs made from these, which hold what they took over",
 "$ref": "#/components/schemas/Texts"}, "untold": {"type": "integer"}, "wiped":
 {"type": "boolean"}}},
"ReplayedCall": {"type": "object", "required": ["step", "attempt", "n", "model", "tokens", "same"],
 "properties": {"step": {"type": "string"}, "attempt": {"type": "integer"}, "n":
 {"type": "integer"}, "model": {"type": "string"}, "tokens": {"type": "integer"}, "same":
 {"type": "boolean"}, "difference": {"type": "string"}}},
"Replay": {"type": "object", "required": ["task_id", "same", "decisions", "tokens", "different",
 "calls"], "properties": {"task_id": {"type": "string"}, "same": {"type": "boolean"}, "decisions":
 {"type": "integer"}, "tokens": {"type": "integer"}, "different": {"type": "integer"}, "calls":
 {"type": "array", "items": {"$ref": "#/components/schemas/ReplayedCall"}}}},
"RequiredAction": {"type": "object", "required": ["task_id", "workflow_id", "step", "kind",
 "since"], "properties": {"task_id": {"type": "string"}, "workflow_id": {"type": "string"},
 "step": {"type": "string"}, "kind": {"enum": ["approval", "signal", "resolve"]}, "since":
 {"$ref": "#/components/schemas/Time"}, "deadline": {"$ref": "#/components/schemas/Time"}, "role":
 {"type": "string"}, "title": {"type": "string"}}},
"Callback": {"type": "object", "required": ["task_id", "url", "state", "attempts", "since"],
 "properties": {"task_id": {"type": "string"}, "url": {"type": "string"}, "state":
 {"enum": ["waiting", "delivered", "dead"]}, "attempts": {"type": "integer"}, "since":
 {"$ref": "#/components/schemas/Time"}, "next_attempt": {"$ref": "#/components/schemas/Time"},
 "last_status": {"type": "integer"}, "last_error": {"type": "string"}}},
"Redriven": {"type": "object", "required": ["task_id", "state"], "properties": {"task_id":
 {"type": "string"}, "state": {"const": "waiting"}}}
})json";

constexpr std::string_view kDefinitions = R"json({
"Definition": {"type": "object", "required": ["id", "hash"], "properties": {"id":
 {"type": "string"}, "hash": {"type": "string"}, "version": {"type": "integer"}, "title":
 {"type": "string"}, "origin": {"enum": ["file", "stored"]}, "created_at":
 {"$ref": "#/components/schemas/Time"}, "created_by": {"type": "string"}, "input":
 {"description": "JSON Schema of the input; null: any"}, "document": {"type": "object"}, "source":
 {"type": "string", "description": "as it was stored"}}},
"DefinitionVersion": {"type": "object", "required": ["version", "hash", "created_at",
 "created_by"], "properties": {"version": {"type": "integer"}, "hash": {"type": "string",
 "description": "empty where it was deleted"}, "created_at": {"$ref": "#/components/schemas/Time"},
 "created_by": {"type": "string"}, "deleted": {"const": true}, "id": {"type": "string"}}},
"DraftRequest": {"type": "object", "required": ["description"], "additionalProperties": false,
 "properties": {"description": {"type": "string", "maxLength": 4000}, "model": {"type":
 ["string", "null"], "default": "default"}, "seed": {"type": ["integer", "null"], "minimum": 0}}},
"Draft": {"type": "object", "required": ["text", "model", "seed", "tokens"], "properties": {"text":
 {"type": "string", "description": "the document, YAML, valid"}, "model": {"type": "string"},
 "seed": {"type": "integer"}, "tokens": {"type": "object", "required": ["prompt", "answer"],
 "properties": {"prompt": {"type": "integer"}, "answer": {"type": "integer"}}}}},
"DocumentText": {"type": "object", "required": ["text"], "additionalProperties": false,
 "properties": {"text": {"type": "string", "description": "a workflow document, YAML or JSON"}}},
"Checked": {"type": "object", "required": ["valid", "errors", "warnings", "errors_left_out"],
 "properties": {"valid": {"type": "boolean"}, "errors": {"type": "array", "items":
 {"$ref": "#/components/schemas/Finding"}}, "warnings": {"type": "array", "items":
 {"$ref": "#/components/schemas/Finding"}}, "errors_left_out": {"type": "integer"}, "workflow":
 {"type": "object", "required": ["id", "hash", "steps"], "properties": {"id": {"type": "string"},
 "title": {"type": "string"}, "version": {"type": "string"}, "hash": {"type": "string"}, "input":
 {}, "steps": {"type": "array", "items": {"type": "object", "required": ["id", "type", "after",
 "line"], "properties": {"id": {"type": "string"}, "type": {"type": "string"}, "after":
 {"type": "array"}, "line": {"type": "integer"}}}}}}}}
})json";

// OpenAI's body as it is read here. null counts as absent everywhere; what is not listed is refused
// unless docs/serve.md says that it is passed over.
constexpr std::string_view kModels = R"json({
"ChatMessage": {"type": "object", "required": ["role"], "properties": {"role": {"enum": ["system",
 "developer", "user", "assistant", "tool"]}, "content": {"description":
 "a text, parts {type: text, text}, or null"}, "name": {"type": ["string", "null"]},
 "tool_calls": {"type": ["array", "null"]},
 "tool_call_id": {"type": ["string", "null"]}, "reasoning_content": {"type": ["string",
 "null"]}, "reasoning": {"type": ["string", "null"]}}},
"ThinkingEffort": {"enum": ["none", "minimal", "low", "medium", "high", "xhigh", "max", null]},
"ThinkingTokens": {"description": "reasoning tokens at most: 0 none, -1 no bound",
 "type": ["integer", "null"], "minimum": -1},
"ChatRequest": {"type": "object", "required": ["model", "messages"], "properties": {"model":
 {"type": "string"}, "messages": {"type": "array", "minItems": 1, "maxItems": 10000, "items":
 {"$ref": "#/components/schemas/ChatMessage"}}, "stream": {"type": ["boolean", "null"]},
 "stream_options": {"type": ["object", "null"], "properties": {"include_usage": {"type":
 ["boolean", "null"]}, "continuous_usage_stats": {"type": ["boolean", "null"]}}}, "n": {"type":
 ["integer", "null"], "minimum": 1, "maximum": 32}, "max_tokens": {"type": ["integer", "null"],
 "minimum": 1}, "max_completion_tokens": {"type": ["integer", "null"], "minimum": 1},
 "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 2}, "top_p": {"type":
 ["number", "null"], "minimum": 0, "maximum": 1}, "top_k": {"type": ["integer", "null"],
 "minimum": -1}, "min_p": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
 "presence_penalty": {"type": ["number", "null"], "minimum": -2, "maximum": 2},
 "frequency_penalty": {"type": ["number", "null"], "minimum": -2, "maximum": 2},
 "repetition_penalty": {"type": ["number", "null"]}, "seed": {"type": ["integer", "null"]},
 "stop": {"type": ["string", "array", "null"], "items": {"type": "string"}, "maxItems": 16},
 "logprobs": {"type": ["boolean", "null"]}, "top_logprobs": {"type": ["integer", "null"],
 "minimum": 0, "maximum": 20}, "tools": {"type": ["array", "null"], "items": {"type": "object"}},
 "tool_choice": {"type": ["string", "object", "null"]}, "parallel_tool_calls": {"type":
 ["boolean", "null"]}, "response_format": {"type": ["object", "null"], "required": ["type"],
 "properties": {"type": {"enum": ["text", "json_object", "json_schema"]}, "json_schema": {"type":
 ["object", "null"]}}}, "structured_outputs": {"type": ["object", "null"], "properties": {"json":
 {}, "regex": {"type": ["string", "null"]}, "choice": {"type": ["array", "null"]}, "grammar":
 {"type": ["string", "null"]}}}, "reasoning_effort": {"$ref":
 "#/components/schemas/ThinkingEffort"}, "reasoning": {"type": ["object", "null"], "properties":
 {"effort": {"$ref": "#/components/schemas/ThinkingEffort"}, "max_tokens": {"$ref":
 "#/components/schemas/ThinkingTokens"}, "enabled": {"type": ["boolean", "null"]}}},
 "enable_thinking": {"type": ["boolean", "null"]}, "thinking": {"type": ["boolean", "object",
 "null"]}, "think": {"type": ["boolean", "string", "null"]}, "thinking_budget": {"$ref":
 "#/components/schemas/ThinkingTokens"}, "thinking_token_budget": {"$ref":
 "#/components/schemas/ThinkingTokens"}, "thinking_budget_tokens": {"$ref":
 "#/components/schemas/ThinkingTokens"}, "reasoning_budget": {"$ref":
 "#/components/schemas/ThinkingTokens"}, "reasoning_budget_tokens": {"$ref":
 "#/components/schemas/ThinkingTokens"}, "include_reasoning": {"type": ["boolean", "null"]},
 "deadline_ms": {"type": ["integer", "null"], "minimum": 1}, "priority": {"type": ["integer",
 "null"]}, "user": {"type": ["string", "null"]}, "metadata": {"type": ["object", "null"]}}}
})json";

constexpr std::string_view kHouse = R"json({
"KeyRequest": {"type": "object", "required": ["name", "roles"], "additionalProperties": false,
 "properties": {"name": {"type": "string"}, "roles": {"$ref": "#/components/schemas/Texts"},
 "scopes": {"$ref": "#/components/schemas/Texts"}, "tenant": {"type": "string"}, "expires_in_s":
 {"type": "integer", "minimum": 1}, "requests_per_minute": {"type": "integer", "minimum": 1},
 "tokens_per_minute": {"type": "integer", "minimum": 1}}},
"Key": {"type": "object", "required": ["id", "name", "tenant", "roles", "scopes", "created_at",
 "created_by"], "properties": {"id": {"type": "string"}, "name": {"type": "string"}, "tenant":
 {"type": "string"}, "roles": {"$ref": "#/components/schemas/Texts"}, "scopes":
 {"$ref": "#/components/schemas/Texts"}, "created_at": {"$ref": "#/components/schemas/Time"},
 "created_by": {"type": "string"}, "requests_per_minute": {"type": "integer"},
 "tokens_per_minute": {"type": "integer"}, "expires_at": {"$ref": "#/components/schemas/Time"},
 "revoked_at": {"$ref": "#/components/schemas/Time"}}},
"NewKey": {"allOf": [{"$ref": "#/components/schemas/Key"}, {"type": "object", "required": ["key"],
 "properties": {"key": {"type": "string", "description": "shown this once"}}}]},
"Rotation": {"type": "object", "additionalProperties": false, "properties": {"grace_s":
 {"type": "integer", "minimum": 0}}},
"SignIn": {"oneOf": [{"type": "object", "required": ["key"], "additionalProperties": false,
 "properties": {"key": {"type": "string"}}}, {"type": "object", "required": ["user", "password"],
 "additionalProperties": false, "properties": {"user": {"type": "string"}, "password":
 {"type": "string"}}}]},
"Session": {"type": "object", "required": ["name", "tenant", "roles", "permissions"],
 "properties": {"name": {"type": "string"}, "tenant": {"type": "string"}, "roles":
 {"$ref": "#/components/schemas/Texts"}, "permissions": {"$ref": "#/components/schemas/Texts"},
 "csrf": {"type": "string"}, "keys_needed": {"type": "boolean"}, "passwords":
 {"type": "boolean", "description": "there are people who sign in by name and password"}, "people":
 {"type": ["object", "null"], "required": ["label", "url"], "properties": {"label":
 {"type": "string"}, "url": {"type": "string"}}}}},
"SignedOut": {"type": "object", "required": ["signed_out"], "properties": {"signed_out":
 {"const": true}, "continue_at": {"type": "string"}}},
"AuditRecord": {"type": "object", "required": ["timestamp", "user", "action", "resource",
 "outcome", "tenant", "writer", "epoch", "n"], "properties": {"timestamp":
 {"$ref": "#/components/schemas/Time"}, "user": {"type": "string"}, "action": {"type": "string"},
 "resource": {"type": "string"}, "outcome": {"enum": ["ok", "refused", "failed"]}, "tenant":
 {"type": "string"}, "writer": {"type": "string"}, "epoch": {"type": "integer"}, "n":
 {"type": "integer"}, "details": {"type": "object"}}},
"AuditReport": {"type": "object", "required": ["good", "events", "records", "chains",
 "checkpoints", "proven_until", "uncovered_chains", "uncovered_links", "key"], "properties":
 {"good": {"type": "boolean"}, "events": {"type": "integer"}, "records": {"type": "integer"},
 "chains": {"type": "integer"}, "checkpoints": {"type": "integer"}, "uncovered_chains":
 {"type": "integer"}, "uncovered_links": {"type": "integer"}, "key": {"type": "string"},
 "pruned_records": {"type": "integer"}, "pruned_runs": {"type": "integer"},
 "sealed_chains": {"type": "integer"},
 "pruned_before": {"type": ["string", "null"]},
 "proven_until": {"type": ["string", "null"], "format": "date-time"}, "problem":
 {"$ref": "#/components/schemas/Failure"}}},
"ModelState": {"type": "object", "required": ["name", "loaded"], "properties": {"name":
 {"type": "string"}, "source": {"type": "string"}, "loaded": {"type": "boolean"}, "context":
 {"type": "integer"}, "fingerprint": {"type": "string"}, "memory_bytes": {"type": "integer"},
 "running": {"type": "integer"}, "waiting": {"type": "integer"}}},
"Tool": {"type": "object", "required": ["type", "function", "source"], "properties": {"type":
 {"const": "function"}, "function": {"type": "object", "required": ["name", "parameters"],
 "properties": {"name": {"type": "string"}, "description": {"type": "string"}, "parameters":
 {"type": "object"}}}, "source": {"type": "string"}}}
})json";

void add_all(json::Object& out, std::string_view text) {
  json::Value parsed = json::parse(text).value();
  for (auto& member : parsed.as_object()) out[member.key()] = std::move(member.value());
}

// "RunSummary" -> "RunSummaryList": a page of a list that has a cursor, or a list in one piece.
void add_list(json::Object& out, std::string_view of, bool pages) {
  const auto text = fmt::format(
      R"({{"type": "object", "required": ["items"{0}], "properties": {{"items": {{"type": "array",)"
      R"( "items": {{"$ref": "#/components/schemas/{1}"}}}}, "next_cursor":)"
      R"( {{"$ref": "#/components/schemas/Cursor"}}}}}})",
      pages ? R"(, "next_cursor")" : "", of);
  out[fmt::format("{}List", of)] = json::parse(text).value();
}

}  // namespace

json::Object openapi_schemas() {
  json::Object out;
  for (const std::string_view part : {kShared, kRuns, kDefinitions, kModels, kHouse}) {
    add_all(out, part);
  }
  for (const std::string_view of : {"RunSummary", "Callback", "Definition", "DefinitionVersion",
                                    "Key", "AuditRecord"}) {
    add_list(out, of, true);
  }
  for (const std::string_view of : {"RequiredAction", "ModelState", "Tool"}) {
    add_list(out, of, false);
  }
  return out;
}

}  // namespace weft::server
