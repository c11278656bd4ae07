// SPDX-License-Identifier: Apache-2.0
#include "server/routes.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "obs/log.h"
#include "server/access.h"
#include "server/acts_api.h"
#include "server/audit_api.h"
#include "server/callbacks_api.h"
#include "server/chat_api.h"
#include "server/completion_api.h"
#include "server/definitions_api.h"
#include "server/drafts_api.h"
#include "server/embeddings_api.h"
#include "server/keys_api.h"
#include "server/mcp_api.h"
#include "server/models_api.h"
#include "server/overview.h"
#include "server/pages_api.h"
#include "server/openai_error.h"
#include "server/openapi_doc.h"
#include "server/problem.h"
#include "server/redacting.h"
#include "server/replay_api.h"
#include "server/responses_api.h"
#include "server/session_store.h"
#include "server/signin_api.h"
#include "server/static_files.h"
#include "server/system_api.h"
#include "server/workflows_api.h"
#include "workflow/document_schema.h"

namespace weft::server {
namespace {

using Handler = void (*)(ServerContext&, const ExchangePtr&);

struct Row {
  std::string_view method, pattern, action;
  Handler handler;
};

void show_openapi(ServerContext& context, const ExchangePtr& exchange);
void show_document_schema(ServerContext& context, const ExchangePtr& exchange);

// Of routes that take no key: nobody needs more to sign in, and anybody may ask.
constexpr size_t kOpenBodyBytesMax = size_t{64} << 10;

// `action`: the permission it takes (security/permission.cc); "": none, not even a key.
constexpr Row kRoutes[] = {
    {"POST", "/v1/chat/completions", "models:use", chat_completions},
    {"POST", "/v1/completions", "models:use", completions},
    {"POST", "/v1/embeddings", "models:use", embeddings},
    {"POST", "/v1/responses", "models:use", create_response},
    {"GET", "/v1/responses/{id}", "models:use", show_response},
    {"DELETE", "/v1/responses/{id}", "models:use", delete_response},
    {"GET", "/v1/responses/{id}/input_items", "models:use", list_response_input},
    {"GET", "/v1/models", "models:read", list_models},
    {"GET", "/v1/models/{id}", "models:read", show_model},
    {"POST", "/v1/models/{id}/unload", "models:manage", unload_model},
    {"POST", "/tokenize", "models:use", tokenize},
    {"POST", "/detokenize", "models:use", detokenize},
    {"POST", "/workflows/execute", "runs:execute", execute_workflow},
    {"GET", "/workflows", "runs:read", list_runs},
    {"GET", "/workflows/{task_id}", "runs:read", show_run},
    {"DELETE", "/workflows/{task_id}", "runs:delete", delete_run},
    {"GET", "/workflows/{task_id}/events", "runs:read", follow_run},
    {"POST", "/workflows/{task_id}/cancel", "runs:act", cancel_run},
    {"POST", "/workflows/{task_id}/signals/{name}", "runs:act", signal_run},
    {"POST", "/workflows/{task_id}/approvals/{step}", "approvals:decide", decide_approval},
    {"POST", "/workflows/{task_id}/resolutions/{step}", "runs:act", resolve_step},
    {"POST", "/workflows/{task_id}/retry", "runs:act", retry_run},
    {"POST", "/workflows/{task_id}/fork", "runs:act", fork_run},
    {"POST", "/workflows/{task_id}/replay", "runs:read", replay_run},
    {"GET", "/approvals", "approvals:read", list_actions},
    {"GET", "/workflows/{task_id}/view", "runs:read", show_run_view},
    {"GET", "/workflows/{task_id}/steps/{step}", "runs:read", show_step_view},
    {"GET", "/callbacks", "runs:read", list_callbacks},
    {"POST", "/callbacks/{task_id}/redrive", "runs:act", redrive_callback},
    {"GET", "/definitions", "definitions:read", list_definitions},
    {"POST", "/definitions/validate", "definitions:read", validate_definition},
    {"POST", "/definitions/draft", "models:use", draft_definition},  // and definitions:write
    {"GET", "/definitions/{id}", "definitions:read", show_definition},
    {"PUT", "/definitions/{id}", "definitions:write", put_definition},
    {"DELETE", "/definitions/{id}", "definitions:write", delete_definition},
    {"GET", "/definitions/{id}/versions", "definitions:read", list_definition_versions},
    {"GET", "/keys", "keys:manage", list_keys},
    {"POST", "/keys", "keys:manage", create_key},
    {"DELETE", "/keys/{id}", "keys:manage", revoke_key},
    {"POST", "/keys/{id}/rotate", "keys:manage", rotate_key},
    {"GET", "/audit", "audit:read", list_audit},
    {"GET", "/audit/export", "audit:read", export_audit},
    {"GET", "/audit/verify", "audit:read", verify_audit},
    {"GET", "/session", "", show_session},
    {"POST", "/session", "", open_session},
    {"DELETE", "/session", "", close_session},
    {"GET", "/session/oidc", "", begin_signin},
    {"GET", "/session/oidc/callback", "", finish_signin},
    {"POST", "/mcp", "runs:read", mcp_post},
    {"GET", "/mcp", "runs:read", mcp_get},
    {"DELETE", "/mcp", "runs:read", mcp_delete},
    {"GET", "/overview", "overview:read", show_overview},
    {"GET", "/tools", "tools:read", list_tools},
    {"GET", "/models", "models:read", list_model_states},
    {"POST", "/models/{id}/load", "models:manage", load_model},
    {"POST", "/models/{id}/unload", "models:manage", unload_model},
    // no secret is in them, and a page must be there before it can ask for a key
    {"GET", "/", "", show_dashboard},
    {"GET", "/ui", "", show_dashboard},
    {"GET", "/ui/{page}", "", show_dashboard},
    {"GET", "/ui/{page}/{id}", "", show_dashboard},
    {"GET", "/assets/{file}", "", show_asset},
    {"GET", "/favicon.svg", "", show_asset},
    {"GET", "/health", "", health},
    {"GET", "/livez", "", health},
    {"GET", "/readyz", "", ready},
    {"GET", "/metrics", "metrics:read", metrics},
    {"GET", "/openapi.json", "", show_openapi},
    {"GET", "/workflow.schema.json", "", show_document_schema},
};

void show_document_schema(ServerContext&, const ExchangePtr& exchange) {
  static const json::Object schema = workflow::document_schema();
  exchange->respond(json_response(schema));
}

void show_openapi(ServerContext&, const ExchangePtr& exchange) {
  exchange->respond(json_response(openapi_document(route_facts())));
}

// What answers to it hold is out of runs: their inputs, outputs, what they ask people.
bool shows_runs(std::string_view action) {
  return action == "runs:read" || action == "runs:act" || action == "approvals:read" ||
         action == "approvals:decide" || action == "overview:read";
}

// What a route needs; nothing for paths that are none.
std::string_view action_of(std::string_view method, std::string_view pattern) {
  for (const Row& row : kRoutes) {
    const bool same = row.method == method || (method == "HEAD" && row.method == "GET");
    if (same && row.pattern == pattern) return row.action;
  }
  return kAnyKey;
}

}  // namespace

std::vector<RouteFacts> route_facts() {
  std::vector<RouteFacts> out;
  for (const Row& row : kRoutes) out.push_back({row.method, row.pattern, row.action});
  return out;
}

net::HttpRouter make_router(ServerContext& context) {
  net::HttpRouter router;
  for (const Row& row : kRoutes) {
    router.add({.method = std::string(row.method),
                .pattern = std::string(row.pattern),
                .handler = [&context, &row](const ExchangePtr& exchange) {
                  const bool shown = shows_runs(row.action) && !context.redaction.none();
                  row.handler(context, shown ? redacting(exchange, context.redaction) : exchange);
                },
                .body_bytes_max =
                    row.action.empty() ? kOpenBodyBytesMax : net::kDefaultBodyBytesMax});
  }
  return router;
}

void set_access(ServerContext& context, net::HttpServerOptions& options) {
  CHECK(context.access != nullptr, "a server without a guard");
  options.prepare = [&context](const net::HttpRequest& request, std::function<void()> done) {
    return look_up_session(context, request, std::move(done));
  };
  options.guard = [&context](net::HttpRequest& request, std::string_view pattern,
                             net::HttpResponse& space) -> const net::HttpResponse* {
    Refusal refusal = context.access->look(request, action_of(request.method, pattern));
    if (refusal.status == 0) return nullptr;
    space.status = refusal.status;
    space.body = std::move(refusal.why);
    if (refusal.status == 401) space.headers.push_back({"WWW-Authenticate", "Bearer"});
    if (refusal.retry_after_s > 0) {
      space.headers.push_back({"Retry-After", std::to_string(refusal.retry_after_s)});
    }
    return &space;
  };
  options.refusal = [](const net::HttpRequest& request, int status, std::string_view message) {
    static constexpr std::string_view kOurs[] = {
        "workflows", "approvals", "definitions", "keys",   "session", "audit",
        "callbacks", "overview",  "tools",       "models", "metrics", "mcp"};
    const bool ours = !request.segments.empty() &&
                      std::ranges::find(kOurs, request.segments[0]) != std::end(kOurs);
    return ours ? problem(status, message) : openai_refusal(status, message);
  };
  context.access->on_refused([&context](const security::Caller& caller, std::string_view action,
                                        const net::HttpRequest& request) {
    record_refusal(context, caller, action, request);
  });
  options.observer = [&context](const net::HttpRequest& request, std::string_view pattern,
                                int status, int64_t us) {
    obs::log_fields(obs::Level::kInfo, "http", request.method,
                    {{"route", pattern},
                     {"status", std::to_string(status)},
                     {"us", std::to_string(us)},
                     {"caller", caller_of(request).name}});
    if (!pattern.empty()) {
      record_request(context, request, action_of(request.method, pattern), status);
    }
    context.metrics.http_request(pattern, status, static_cast<double>(us) / 1e6);
  };
}

}  // namespace weft::server
