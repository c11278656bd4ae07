// SPDX-License-Identifier: Apache-2.0
#include "server/replay_api.h"

#include "server/access.h"
#include "server/openai_error.h"
#include "server/problem.h"
#include "server/runs.h"
#include "worker/asio_loop.h"
#include "worker/replay.h"
#include "worker/schema.h"
#include "worker/step_type.h"

namespace weft::server {
namespace {

using Calls = std::vector<worker::ReplayedCall>;

// On a thread of the pool, with a connection and a loop of its own: it may take minutes.
Result<Calls> replay_here(ServerContext& context, const security::Caller& caller,
                          const std::string& run) {
  const auto db = TRY(worker::open_journal_store(context.replay->store));
  TRY(visible_run(*db, caller, run, "runs:read"));
  worker::AsioLoop loop;
  worker::ThreadPool pool(1);
  worker::Services services{context.env, loop, pool, &context.chats, nullptr};
  return worker::replay_run(*db, run, services, &context.replay->stop);
}

json::Object replay_object(const std::string& run, const Calls& calls) {
  json::Array out;
  int64_t tokens = 0;
  int64_t different = 0;
  for (const worker::ReplayedCall& call : calls) {
    tokens += call.tokens;
    different += call.difference.empty() ? 0 : 1;
    json::Object one{{"step", call.path}, {"attempt", int64_t{call.attempt}},
                     {"n", int64_t{call.n}}, {"model", call.model},
                     {"tokens", call.tokens}, {"same", call.difference.empty()}};
    if (!call.difference.empty()) one["difference"] = call.difference;
    out.push_back(std::move(one));
  }
  return {{"task_id", run}, {"decisions", std::ssize(calls)}, {"tokens", tokens},
          {"different", different}, {"same", different == 0}, {"calls", std::move(out)}};
}

}  // namespace

void replay_run(ServerContext& context, const ExchangePtr& exchange) {
  ReplayState& state = *context.replay;
  if (state.busy) {
    net::HttpResponse later = problem(503, "another run is being replayed");
    later.headers.push_back({"Retry-After", "5"});
    return exchange->respond(std::move(later));
  }
  state.busy = true;
  const std::string run = exchange->request().parameter("task_id");
  context.pool.submit([&context, exchange, run, caller = caller_of(exchange->request())] {
    auto calls = std::make_shared<Result<Calls>>(replay_here(context, caller, run));
    context.loop.post([&context, exchange, run, calls] {
      context.replay->busy = false;
      exchange->respond(calls->ok() ? json_response(replay_object(run, **calls))
                                    : problem(calls->error()));
    });
  });
}

}  // namespace weft::server
