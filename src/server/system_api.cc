// SPDX-License-Identifier: Apache-2.0
#include "server/system_api.h"

#include "server/openai_error.h"
#include "server/problem.h"

namespace weft::server {

void health(ServerContext&, const ExchangePtr& exchange) {
  exchange->respond(json_response(json::Object{{"status", "ok"}}));
}

void ready(ServerContext& context, const ExchangePtr& exchange) {
  if (context.ready) return health(context, exchange);
  net::HttpResponse later = problem(503, "the model is being loaded");
  later.headers.push_back({"Retry-After", "1"});
  exchange->respond(std::move(later));
}

void metrics(ServerContext& context, const ExchangePtr& exchange) {
  Metrics::States states;
  states.models = backend::loaded_models(context.backend);
  if (context.http_stats) states.http = context.http_stats();
  states.answers = context.answers;
  if (context.remote != nullptr) states.endpoints = context.remote->endpoints();
  exchange->respond({200,
                     {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}},
                     context.metrics.text(states)});
}

}  // namespace weft::server
