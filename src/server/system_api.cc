// SPDX-License-Identifier: Apache-2.0
#include "server/system_api.h"

#include "server/openai_error.h"
#include "server/problem.h"
#include "worker/checkpoint_sender.h"
#include "worker/retention.h"

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
  if (context.work) states.work = context.work();
  states.answers = context.answers;
  if (context.remote != nullptr) states.endpoints = context.remote->endpoints();
  if (context.witness != nullptr) {
    const worker::CheckpointSender::State told = context.witness->state();
    const int64_t since_us = told.waiting_since_us;
    const int64_t lag_us = since_us == 0 ? 0 : context.env.wall_us() - since_us;
    states.witness = {told.told_lines, told.failures, static_cast<double>(lag_us) / 1e6};
  }
  if (context.retention != nullptr) {
    const worker::Retention::State& kept = context.retention->state();
    states.retention = {kept.records, kept.runs, kept.failures, kept.applied_us / 1'000'000};
  }
  exchange->respond({200,
                     {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}},
                     context.metrics.text(states)});
}

}  // namespace weft::server
