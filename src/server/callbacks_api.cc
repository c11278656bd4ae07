// SPDX-License-Identifier: Apache-2.0
#include "server/callbacks_api.h"

#include "base/strings.h"
#include "server/access.h"
#include "server/fields.h"
#include "server/openai_error.h"
#include "server/problem.h"
#include "server/runs.h"
#include "worker/callbacks.h"

namespace weft::server {
namespace {

constexpr int64_t kCallbacksMax = 500;

json::Object callback_object(const worker::Callback& callback) {
  json::Object out{{"task_id", callback.run}, {"url", callback.url}, {"state", callback.state},
                   {"attempts", callback.attempts}, {"since", iso8601(callback.created_us)}};
  if (callback.state == "waiting") out["next_attempt"] = iso8601(callback.next_us);
  if (callback.last_status != 0) out["last_status"] = callback.last_status;
  if (!callback.last_error.empty()) out["last_error"] = callback.last_error;
  return out;
}

}  // namespace

void list_callbacks(ServerContext& context, const ExchangePtr& exchange) {
  const net::HttpRequest& request = exchange->request();
  const std::string* state = net::find_parameter(request.query, "state");
  if (state != nullptr && !state->empty() && *state != "waiting" && *state != "delivered" &&
      *state != "dead") {
    return exchange->respond(
        problem(wrong_field("state", "waiting, delivered or dead", quoted(*state, 40))));
  }
  using List = std::vector<worker::Callback>;
  context.runs->read<List>(
      [caller = caller_of(request), state = state ? *state : ""](store::Db& db) -> Result<List> {
        List all = TRY(worker::list_callbacks(db, caller.tenant, state, kCallbacksMax));
        if (caller.scopes.empty()) return all;
        std::erase_if(all, [&](const worker::Callback& one) {
          return !visible_run(db, caller, one.run, "runs:read").ok();
        });
        return all;
      },
      [exchange](Result<List> callbacks) {
        if (!callbacks.ok()) return exchange->respond(problem(callbacks.error()));
        json::Array items;
        for (const worker::Callback& one : *callbacks) items.push_back(callback_object(one));
        json::Object out{{"items", std::move(items)}};
        out["next_cursor"] = nullptr;
        exchange->respond(json_response(out));
      });
}

void redrive_callback(ServerContext& context, const ExchangePtr& exchange) {
  const std::string run = exchange->request().parameter("task_id");
  context.runs->read<bool>(
      [caller = caller_of(exchange->request()), run](store::Db& db) -> Result<bool> {
        TRY(visible_run(db, caller, run, "runs:act"));
        TRY(worker::redrive_callback(db, caller.tenant, run));
        return true;
      },
      [exchange, run](Result<bool> done) {
        if (!done.ok()) return exchange->respond(problem(done.error()));
        exchange->respond(
            json_response(json::Object{{"task_id", run}, {"state", "waiting"}}, 202));
      });
}

}  // namespace weft::server
