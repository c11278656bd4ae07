// SPDX-License-Identifier: Apache-2.0
#include "server/openapi_doc.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/strings.h"
#include "server/openapi_schemas.h"

namespace weft::server {
namespace {

// `in`, `out`: names of schemas or media types; "": none. `status`: of success. `given`: what may
// stand in the query, or, with an @ before it, in a header; a # behind it: a whole number.
struct Described {
  std::string_view route;
  std::string_view summary;
  std::string_view in, out;
  int status = 200;
  std::string_view given = "";
};

constexpr Described kDescribed[] = {
    {"POST /workflows/execute", "Start a run", "WorkflowRequest", "Accepted", 202,
     "@Idempotency-Key"},
    {"GET /workflows", "Runs, the newest first", "", "RunSummaryList", 200,
     "status workflow_id search limit# cursor"},
    {"GET /workflows/{task_id}", "One run with its steps", "", "Run"},
    {"DELETE /workflows/{task_id}", "Remove a run that has ended, for good", "", "Removed"},
    {"GET /workflows/{task_id}/events", "Every change of state, as server-sent events", "",
     "text/event-stream", 200, "@Last-Event-ID#"},
    {"POST /workflows/{task_id}/cancel", "End a run", "Act", "Outcome"},
    {"POST /workflows/{task_id}/signals/{name}", "Send a run a signal; the body is its payload",
     "Anything", "Outcome"},
    {"POST /workflows/{task_id}/approvals/{step}", "Decide what an approval step asks",
     "Decision", "Outcome"},
    {"POST /workflows/{task_id}/resolutions/{step}", "Decide about an effect that was cut off",
     "Resolution", "Outcome"},
    {"POST /workflows/{task_id}/retry", "A new run that does again what failed", "From",
     "Restarted", 202},
    {"POST /workflows/{task_id}/fork", "A new run from a step on", "Fork", "Restarted", 202},
    {"POST /workflows/{task_id}/replay", "Every decision of a run's models again", "", "Replay"},
    {"GET /approvals", "What runs wait for", "", "RequiredActionList", 200, "task_id role limit#"},
    {"GET /callbacks", "Callbacks and what became of them", "", "CallbackList", 200, "state"},
    {"POST /callbacks/{task_id}/redrive", "Send a callback again", "", "Redriven", 202},
    {"GET /definitions", "Workflows that can be started", "", "DefinitionList"},
    {"GET /definitions/{id}", "One definition", "", "Definition application/yaml", 200, "version#"},
    {"PUT /definitions/{id}", "Store a definition; the body is the document, YAML or JSON",
     "application/yaml application/json", "Definition", 200, "@If-Match @If-None-Match"},
    {"DELETE /definitions/{id}", "Delete a definition", "", "DefinitionVersion", 200, "@If-Match"},
    {"GET /definitions/{id}/versions", "All versions, the newest first", "",
     "DefinitionVersionList"},
    {"POST /definitions/validate", "Every problem of a document", "DocumentText", "Checked"},
    {"POST /definitions/draft", "A model drafts a document; or as server-sent events",
     "DraftRequest", "Draft text/event-stream"},
    {"GET /workflows/{task_id}/view", "A run as its page shows it", "", "Object"},
    {"GET /workflows/{task_id}/steps/{step}", "A step as its page shows it", "", "Object"},
    {"GET /overview", "The state of the house, or as server-sent events", "",
     "Object text/event-stream", 200, "window#"},
    {"GET /tools", "What agents may call", "", "ToolList"},
    {"GET /models", "Models and what they cost", "", "ModelStateList"},
    {"POST /models/{id}/load", "A model is loaded", "", "ModelState"},
    {"POST /models/{id}/unload", "A model leaves memory", "", "Object"},
    {"GET /", "The pages for people", "", "text/html"},
    {"GET /ui", "The pages for people", "", "text/html"},
    {"GET /ui/{page}", "The pages for people", "", "text/html"},
    {"GET /ui/{page}/{id}", "The pages for people", "", "text/html"},
    {"GET /assets/{file}", "Files of the pages", "", "application/octet-stream"},
    {"GET /favicon.svg", "Their sign", "", "image/svg+xml"},
    {"GET /keys", "API keys, without their secrets", "", "KeyList"},
    {"POST /keys", "A new API key, shown once", "KeyRequest", "NewKey", 201},
    {"DELETE /keys/{id}", "Revoke a key", "", "Key"},
    {"POST /keys/{id}/rotate", "A new secret for the same rights", "Rotation", "NewKey", 201},
    {"GET /session", "Who one is", "", "Session"},
    {"POST /session", "Sign a browser in", "SignIn", "Session", 201},
    {"DELETE /session", "Sign out", "", "SignedOut"},
    {"GET /session/oidc", "A person's browser goes to the identity provider", "", "", 302},
    {"GET /session/oidc/callback", "It comes back from there", "", "", 302,
     "state code iss error"},
    {"GET /audit", "Who did what, the newest first", "", "AuditRecordList", 200,
     "user action from to limit# cursor"},
    {"GET /audit/export", "All of it that fits, as JSON lines or CSV", "",
     "application/x-ndjson text/csv", 200, "format user action from to"},
    {"GET /audit/verify", "Whether history is what was written", "", "AuditReport"},
    {"POST /v1/chat/completions", "OpenAI: a conversation", "ChatRequest", "Object"},
    {"POST /v1/completions", "OpenAI: a text continued", "Object", "Object"},
    {"POST /v1/embeddings", "OpenAI: texts as vectors", "Object", "Object"},
    {"POST /v1/responses", "OpenAI: a response", "Object", "Object"},
    {"GET /v1/responses/{id}", "OpenAI: a remembered response", "", "Object"},
    {"DELETE /v1/responses/{id}", "OpenAI: forget a response", "", "Object"},
    {"GET /v1/responses/{id}/input_items", "OpenAI: what was given", "", "Object", 200,
     "order limit# after"},
    {"GET /v1/models", "OpenAI: names of models", "", "Object"},
    {"GET /v1/models/{id}", "OpenAI: one model", "", "Object"},
    {"POST /v1/models/{id}/unload", "A model leaves memory", "", "Object"},
    {"POST /tokenize", "Text to tokens", "Object", "Object"},
    {"POST /detokenize", "Tokens to text", "Object", "Object"},
    {"POST /mcp", "Model Context Protocol: a message", "Object", "Object"},
    {"GET /mcp", "Model Context Protocol: what the server has to say", "", "text/event-stream"},
    {"DELETE /mcp", "Model Context Protocol: the end of a session", "", "Object"},
    {"GET /health", "Whether the process is there", "", "Object"},
    {"GET /livez", "Whether the process is there", "", "Object"},
    {"GET /readyz", "Whether the default model is loaded, if it is to be", "", "Object"},
    {"GET /metrics", "Prometheus metrics", "", "text/plain"},
    {"GET /openapi.json", "This document", "", "Object"},
    {"GET /workflow.schema.json", "The JSON Schema of workflow documents", "", "Object"},
};

json::Object reference(std::string_view schema) {
  return {{"$ref", fmt::format("#/components/schemas/{}", schema)}};
}

// A media type stands for itself, anything else is the name of a schema in JSON.
json::Object content(std::string_view all) {
  json::Object out;
  for (const std::string_view what : split(all, ' ')) {
    const bool media_type = what.find('/') != what.npos;
    json::Object media;
    if (what == "application/json") {  // a document in a request, told apart by its text
      media["schema"] = reference("Object");
    } else {
      media["schema"] = media_type ? json::Object{{"type", "string"}} : reference(what);
    }
    out[media_type ? what : "application/json"] = std::move(media);
  }
  return out;
}

const Described* described(std::string_view method, std::string_view pattern) {
  const std::string route = fmt::format("{} {}", method, pattern);
  const auto found = std::find_if(std::begin(kDescribed), std::end(kDescribed),
                                  [&](const Described& row) { return row.route == route; });
  return found == std::end(kDescribed) ? nullptr : found;
}

json::Object parameter(std::string_view name, std::string_view where, std::string_view type) {
  json::Object out{{"name", name}, {"in", where}, {"schema", json::Object{{"type", type}}}};
  if (where == "path") out["required"] = true;
  return out;
}

json::Array parameters_of(std::string_view pattern, std::string_view given) {
  json::Array out;
  for (const std::string_view segment : split(pattern, '/')) {
    if (!segment.starts_with('{')) continue;
    out.push_back(parameter(segment.substr(1, segment.size() - 2), "path", "string"));
  }
  for (std::string_view name : split(given, ' ')) {
    if (name.empty()) continue;
    const bool header = name.starts_with('@');
    const bool number = name.ends_with('#');
    if (header) name.remove_prefix(1);
    if (number) name.remove_suffix(1);
    out.push_back(parameter(name, header ? "header" : "query", number ? "integer" : "string"));
  }
  return out;
}

// Routes that OpenAI's clients know answer errors in OpenAI's form.
bool openai_form(std::string_view pattern) {
  return pattern.starts_with("/v1/") || pattern.ends_with("tokenize");
}

json::Object refusal(const RouteFacts& route, std::string_view description) {
  // people are told by a page
  if (route.pattern.starts_with("/session/oidc")) {
    json::Object both = content("text/html");
    both["application/problem+json"] = json::Object{{"schema", reference("Problem")}};
    return {{"description", description}, {"content", std::move(both)}};
  }
  json::Object media;
  media["schema"] = reference(openai_form(route.pattern) ? "OpenaiError" : "Problem");
  json::Object held;
  held[openai_form(route.pattern) ? "application/json" : "application/problem+json"] =
      std::move(media);
  json::Object out;
  out["description"] = description;
  out["content"] = std::move(held);
  return out;
}

json::Object responses_of(const RouteFacts& route, const Described* about) {
  const int status = about == nullptr ? 200 : about->status;
  json::Object good{{"description", "done"}};
  if (about != nullptr && !about->out.empty()) good["content"] = content(about->out);
  json::Object out;
  if (route.method == "PUT") out["201"] = good;  // what was not there before
  if (about != nullptr && about->out == "Outcome") out["202"] = good;  // no worker has heard it yet
  out[std::to_string(status)] = std::move(good);
  out["400"] = refusal(route, "the request is wrong; the message says where");
  if (!route.action.empty()) {
    out["401"] = refusal(route, "an API key is needed");
    out["403"] = refusal(route, "Insufficient privileges");
    out["429"] = refusal(route, "too much; Retry-After says when");
  }
  if (route.pattern.find('{') != route.pattern.npos) {
    out["404"] = refusal(route, "there is none");
  }
  out["default"] = refusal(route, "any other refusal");
  return out;
}

// "POST /workflows/{task_id}/fork" -> "post_workflows_task_id_fork"
std::string operation_id(const RouteFacts& route) {
  std::string out;
  for (const char c : fmt::format("{}{}", route.method, route.pattern)) {
    if (c >= 'A' && c <= 'Z') out += static_cast<char>(c - 'A' + 'a');
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_') out += c;
    if ((c == '/' || c == '.') && !out.ends_with('_')) out += '_';
  }
  while (out.ends_with('_')) out.pop_back();
  return out;
}

json::Object operation(const RouteFacts& route) {
  const Described* about = described(route.method, route.pattern);
  const std::string fallback = fmt::format("{} {}", route.method, route.pattern);
  json::Object out{{"operationId", operation_id(route)},
                   {"summary", about == nullptr ? std::string_view(fallback) : about->summary}};
  json::Array parameters =
      parameters_of(route.pattern, about == nullptr ? std::string_view() : about->given);
  if (!parameters.empty()) out["parameters"] = std::move(parameters);
  if (about != nullptr && !about->in.empty()) {
    out["requestBody"] = json::Object{{"content", content(about->in)}};
  }
  out["responses"] = responses_of(route, about);
  if (route.action.empty()) {
    out["security"] = json::Array();
  } else {
    out["x-permission"] = route.action;
  }
  return out;
}

}  // namespace

json::Object openapi_document(std::span<const RouteFacts> routes) {
  json::Object paths;
  for (const RouteFacts& route : routes) {
    std::string method(route.method);
    for (char& c : method) c = static_cast<char>(c | 0x20);
    json::Value& path = paths[route.pattern];
    if (!path.is_object()) path = json::Object();
    path.as_object()[method] = operation(route);
  }
  json::Object schemes;
  schemes["key"] = json::Object{{"type", "http"}, {"scheme", "bearer"}};
  schemes["session"] =
      json::Object{{"type", "apiKey"}, {"in", "cookie"}, {"name", "weft_session"}};
  json::Object components{{"schemas", openapi_schemas()},
                          {"securitySchemes", std::move(schemes)}};
  json::Array security;
  for (const char* scheme : {"key", "session"}) {
    json::Object one;
    one[scheme] = json::Array();
    security.push_back(std::move(one));
  }
  json::Object info{
      {"title", "EXAONE Workflow API"},
      {"version", "1"},
      {"summary", "Workflows whose steps can think, and the models that do"},
      {"license", json::Object{{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}};
  json::Object server{{"url", "/"}};
  return {{"openapi", "3.1.0"},
          {"info", std::move(info)},
          {"servers", json::Array{std::move(server)}},
          {"security", std::move(security)},
          {"paths", std::move(paths)},
          {"components", std::move(components)}};
}

std::vector<std::string> openapi_strays(std::span<const RouteFacts> routes) {
  std::vector<std::string> out;
  for (const Described& row : kDescribed) {
    const bool known = std::any_of(routes.begin(), routes.end(), [&](const RouteFacts& route) {
      return row.route == fmt::format("{} {}", route.method, route.pattern);
    });
    if (!known) out.emplace_back(row.route);
  }
  return out;
}

}  // namespace weft::server
