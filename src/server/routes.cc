// SPDX-License-Identifier: Apache-2.0
#include "server/routes.h"

#include <algorithm>

#include "base/digest.h"
#include "server/acts_api.h"
#include "server/chat_api.h"
#include "server/completion_api.h"
#include "server/embeddings_api.h"
#include "server/models_api.h"
#include "server/openai_error.h"
#include "server/problem.h"
#include "server/responses_api.h"
#include "server/system_api.h"
#include "server/workflows_api.h"

namespace weft::server {
namespace {

using Handler = void (*)(ServerContext&, const ExchangePtr&);

struct Row {
  std::string_view method, pattern;
  Handler handler;
};

constexpr Row kRoutes[] = {
    {"POST", "/v1/chat/completions", chat_completions},
    {"POST", "/v1/completions", completions},
    {"POST", "/v1/embeddings", embeddings},
    {"POST", "/v1/responses", create_response},
    {"GET", "/v1/responses/{id}", show_response},
    {"DELETE", "/v1/responses/{id}", delete_response},
    {"GET", "/v1/responses/{id}/input_items", list_response_input},
    {"GET", "/v1/models", list_models},
    {"GET", "/v1/models/{id}", show_model},
    {"POST", "/v1/models/{id}/unload", unload_model},
    {"POST", "/tokenize", tokenize},
    {"POST", "/detokenize", detokenize},
    {"POST", "/workflows/execute", execute_workflow},
    {"GET", "/workflows", list_runs},
    {"GET", "/workflows/{task_id}", show_run},
    {"GET", "/workflows/{task_id}/events", follow_run},
    {"POST", "/workflows/{task_id}/cancel", cancel_run},
    {"POST", "/workflows/{task_id}/signals/{name}", signal_run},
    {"POST", "/workflows/{task_id}/approvals/{step}", decide_approval},
    {"POST", "/workflows/{task_id}/resolutions/{step}", resolve_step},
    {"POST", "/workflows/{task_id}/retry", retry_run},
    {"POST", "/workflows/{task_id}/fork", fork_run},
    {"GET", "/approvals", list_actions},
    {"GET", "/definitions", list_definitions},
    {"GET", "/definitions/{id}", show_definition},
    {"GET", "/health", health},
    {"GET", "/livez", health},
    {"GET", "/readyz", ready},
    {"GET", "/metrics", metrics},
};

// "127.0.0.1:8700", "[::1]:8700", "localhost" -> without the port.
std::string_view host_of(std::string_view authority) {
  if (authority.starts_with('[')) return authority.substr(0, authority.find(']') + 1);
  return authority.substr(0, authority.find(':'));
}

bool names_this_machine(std::string_view host) {
  return host == "localhost" || host == "[::1]" || host.starts_with("127.") ||
         host.ends_with(".localhost");
}

bool open_to_all(const net::HttpRequest& request) {
  return request.segments.size() == 1 &&
         (request.segments[0] == "health" || request.segments[0] == "livez" ||
          request.segments[0] == "readyz");
}

class Access {
 public:
  explicit Access(AccessOptions options) : options_(std::move(options)) {
    for (const std::string& key : options_.keys) hashes_.push_back(sha256_hex(key));
  }

  // 0: welcome. Else the status, and why.
  int refusal(const net::HttpRequest& request, std::string_view& why) const {
    const std::string* host = request.header("Host");
    if (options_.loopback && host != nullptr && !names_this_machine(host_of(*host))) {
      why = "the Host header names another machine than this one";
      return 403;
    }
    const std::string* origin = request.header("Origin");
    if (origin != nullptr && !welcome_origin(*origin, host)) {
      why = "web pages of that origin may not ask here; start the server with --allow-origin";
      return 403;
    }
    if (hashes_.empty() || open_to_all(request) || has_key(request)) return 0;
    why = "an API key is needed: Authorization: Bearer KEY";
    return 401;
  }

  bool listed_origin(std::string_view origin) const {
    return std::ranges::find(options_.origins, origin) != options_.origins.end();
  }

 private:
  bool welcome_origin(std::string_view origin, const std::string* host) const {
    const size_t scheme = origin.find("://");
    const bool own = scheme != std::string_view::npos && host != nullptr &&
                     origin.substr(scheme + 3) == *host;
    return own || listed_origin(origin);
  }

  // Hashes are compared, so that the time it takes says nothing about a key.
  bool has_key(const net::HttpRequest& request) const {
    const std::string* header = request.header("Authorization");
    if (header == nullptr || !header->starts_with("Bearer ")) return false;
    const std::string hash = sha256_hex(std::string_view(*header).substr(7));
    return std::ranges::find(hashes_, hash) != hashes_.end();
  }

  const AccessOptions options_;
  std::vector<std::string> hashes_;
};

}  // namespace

net::HttpRouter make_router(ServerContext& context) {
  net::HttpRouter router;
  for (const Row& row : kRoutes) {
    router.add({.method = std::string(row.method),
                .pattern = std::string(row.pattern),
                .handler = [&context, handler = row.handler](const ExchangePtr& exchange) {
                  handler(context, exchange);
                }});
  }
  return router;
}

void set_access(ServerContext& context, AccessOptions access, net::HttpServerOptions& options) {
  const auto rules = std::make_shared<const Access>(std::move(access));
  options.guard = [rules](const net::HttpRequest& request,
                          net::HttpResponse& space) -> const net::HttpResponse* {
    std::string_view why;
    space.status = rules->refusal(request, why);
    if (space.status == 0) return nullptr;
    space.body = why;
    if (space.status == 401) space.headers.push_back({"WWW-Authenticate", "Bearer"});
    return &space;
  };
  options.refusal = [](const net::HttpRequest& request, int status, std::string_view message) {
    const bool workflows = !request.segments.empty() && (request.segments[0] == "workflows" ||
                                                         request.segments[0] == "approvals" ||
                                                         request.segments[0] == "definitions");
    return workflows ? problem(status, message) : openai_refusal(status, message);
  };
  options.observer = [&context](const net::HttpRequest&, std::string_view pattern, int status,
                                int64_t us) {
    context.metrics.http_request(pattern, status, static_cast<double>(us) / 1e6);
  };
}

}  // namespace weft::server
