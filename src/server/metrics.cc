// SPDX-License-Identifier: Apache-2.0
#include "server/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace weft::server {
namespace {

using Buckets = prometheus::Histogram::BucketBoundaries;
using Counters = prometheus::Family<prometheus::Counter>;
using Histograms = prometheus::Family<prometheus::Histogram>;

const Buckets& short_times() {
  static const Buckets buckets = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                  0.25,  0.5,    1,     2.5,  5,     10,   30};
  return buckets;
}
const Buckets& long_times() {
  static const Buckets buckets = {0.01, 0.05, 0.1, 0.25, 0.5, 1,   2.5,
                                  5,    10,   30,  60,   120, 300, 600};
  return buckets;
}
const Buckets& token_counts() {
  static const Buckets buckets = {1, 4, 16, 64, 256, 1024, 4096, 16384, 65536};
  return buckets;
}

class StateFamily {
 public:
  StateFamily(std::string name, std::string help, prometheus::MetricType type) {
    family_.name = std::move(name);
    family_.help = std::move(help);
    family_.type = type;
  }
  StateFamily& add(double value, std::string_view model = "") {
    prometheus::ClientMetric metric;
    if (!model.empty()) metric.label.push_back({"model_name", std::string(model)});
    metric.gauge.value = value;
    metric.counter.value = value;
    family_.metric.push_back(std::move(metric));
    return *this;
  }
  prometheus::MetricFamily take() { return std::move(family_); }

 private:
  prometheus::MetricFamily family_;
};

void add_http_states(const net::HttpServerStats& http,
                     std::vector<prometheus::MetricFamily>& out) {
  using Type = prometheus::MetricType;
  const auto one = [&](const char* name, const char* help, Type type, int64_t value) {
    out.push_back(StateFamily(name, help, type).add(static_cast<double>(value)).take());
  };
  one("weft_http_connections", "Open connections", Type::Gauge, http.connections);
  one("weft_http_requests_in_flight", "Requests without a complete answer", Type::Gauge,
      http.in_flight);
  one("weft_http_body_bytes", "Bytes of request bodies held", Type::Gauge, http.body_bytes);
  one("weft_http_connections_accepted_total", "Connections so far", Type::Counter, http.accepted);
  one("weft_http_connections_refused_total", "Connections beyond the limit", Type::Counter,
      http.refused);
  one("weft_http_abandoned_total", "Requests whose client went away first", Type::Counter,
      http.abandoned);
  one("weft_http_timeouts_total", "Connections closed by a timeout", Type::Counter, http.timeouts);
  if (http.tls_ends_s == 0) return;
  one("weft_tls_handshakes_failed_total", "Connections without a good TLS handshake",
      Type::Counter, http.handshakes_failed);
  one("weft_tls_certificate_expiry_timestamp_seconds", "When the certificate in use expires",
      Type::Gauge, http.tls_ends_s);
}

void add_model_states(const std::vector<backend::ModelFacts>& models,
                      std::vector<prometheus::MetricFamily>& out) {
  using Type = prometheus::MetricType;
  if (models.empty()) return;
  StateFamily running("weft_num_requests_running", "Sequences being computed", Type::Gauge);
  StateFamily waiting("weft_num_requests_waiting", "Sequences that wait for their turn",
                      Type::Gauge);
  StateFamily cache("weft_kv_cache_usage_perc", "Used share of the KV cache, 0 to 1", Type::Gauge);
  StateFamily prompt("weft_prompt_tokens_total", "Prompt tokens computed", Type::Counter);
  StateFamily generated("weft_generation_tokens_total", "Tokens generated", Type::Counter);
  StateFamily busy("weft_engine_busy_seconds_total", "Seconds inside the engine's ticks",
                   Type::Counter);
  for (const backend::ModelFacts& model : models) {
    running.add(model.running, model.source);
    waiting.add(model.waiting, model.source);
    cache.add(model.blocks > 0 ? static_cast<double>(model.blocks_used) / model.blocks : 0,
              model.source);
    prompt.add(static_cast<double>(model.prompt_tokens), model.source);
    generated.add(static_cast<double>(model.generated_tokens), model.source);
    busy.add(model.busy_seconds, model.source);
  }
  for (StateFamily* family : {&running, &waiting, &cache, &prompt, &generated, &busy}) {
    out.push_back(family->take());
  }
}

// What the engine saves and gives up, by vLLM's names where it has them.
void add_engine_counters(const std::vector<backend::ModelFacts>& models,
                         std::vector<prometheus::MetricFamily>& out) {
  struct Counter {
    const char* name;
    const char* help;
    int64_t backend::ModelFacts::*value;
  };
  using Facts = backend::ModelFacts;
  static constexpr Counter kCounters[] = {
      {"weft_prefix_cache_hits_total", "Prompt tokens found in the cache", &Facts::cached_tokens},
      {"weft_num_preemptions_total", "Sequences sent back to wait", &Facts::preemptions},
      {"weft_spec_decode_num_draft_tokens_total", "Tokens guessed ahead", &Facts::drafted_tokens},
      {"weft_spec_decode_num_accepted_tokens_total", "Guesses that proved true",
       &Facts::accepted_tokens},
      {"weft_loops_ended_total", "Texts ended because they repeated themselves", &Facts::loops},
      {"weft_deadlines_total", "Texts whose time was up", &Facts::deadlines},
      {"weft_kv_blocks_evicted_total", "Cached blocks given up", &Facts::evicted_blocks},
      {"weft_kv_blocks_spilled_total", "Of these, kept in the file", &Facts::spilled_blocks},
      {"weft_kv_blocks_restored_total", "Blocks read back", &Facts::restored_blocks},
      {"weft_kv_blocks_damaged_total", "Blocks that the file had lost, computed again",
       &Facts::damaged_blocks},
  };
  if (models.empty()) return;
  for (const Counter& counter : kCounters) {
    StateFamily family(counter.name, counter.help, prometheus::MetricType::Counter);
    for (const Facts& model : models) {
      family.add(static_cast<double>(model.*counter.value), model.source);
    }
    out.push_back(family.take());
  }
  StateFamily cached("weft_kv_blocks_cached", "Blocks kept for texts that begin alike",
                     prometheus::MetricType::Gauge);
  for (const Facts& model : models) cached.add(model.blocks_cached, model.source);
  out.push_back(cached.take());
}

// Servers that other models live on. A breaker that is open stands out as 1.
void add_endpoints(const std::vector<backend::EndpointFacts>& endpoints,
                   std::vector<prometheus::MetricFamily>& out) {
  if (endpoints.empty()) return;
  prometheus::MetricFamily outstanding, open;
  outstanding.name = "weft_remote_requests_running";
  outstanding.help = "Requests under way at another server";
  outstanding.type = prometheus::MetricType::Gauge;
  open.name = "weft_remote_breaker_open";
  open.help = "1: the endpoint has failed and is left alone for a while";
  open.type = prometheus::MetricType::Gauge;
  for (const backend::EndpointFacts& one : endpoints) {
    prometheus::ClientMetric metric;
    metric.label = {{"model_name", one.model}, {"endpoint", one.url}};
    metric.gauge.value = one.outstanding;
    outstanding.metric.push_back(metric);
    metric.gauge.value = one.breaker == "closed" ? 0 : 1;
    open.metric.push_back(std::move(metric));
  }
  out.push_back(std::move(outstanding));
  out.push_back(std::move(open));
}

void add_witness(const Metrics::States::Witness& witness,
                 std::vector<prometheus::MetricFamily>& out) {
  using Type = prometheus::MetricType;
  const auto one = [&](const char* name, const char* help, Type type, double value) {
    out.push_back(StateFamily(name, help, type).add(value).take());
  };
  one("weft_audit_webhook_checkpoints", "Checkpoints that the webhook has taken", Type::Gauge,
      static_cast<double>(witness.lines));
  one("weft_audit_webhook_failures_total", "Requests that the webhook has not taken",
      Type::Counter, static_cast<double>(witness.failures));
  one("weft_audit_webhook_lag_seconds", "Age of the oldest checkpoint that it has not",
      Type::Gauge, witness.lag_seconds);
}

void add_retention(const Metrics::States::Retention& kept,
                   std::vector<prometheus::MetricFamily>& out) {
  using Type = prometheus::MetricType;
  const auto one = [&](const char* name, const char* help, Type type, int64_t value) {
    out.push_back(StateFamily(name, help, type).add(static_cast<double>(value)).take());
  };
  one("weft_retention_audit_records_removed_total", "Audit records removed because of their age",
      Type::Counter, kept.records);
  one("weft_retention_runs_removed_total", "Runs removed because of their age", Type::Counter,
      kept.runs);
  one("weft_retention_failures_total", "Times that nothing could be removed", Type::Counter,
      kept.failures);
  one("weft_retention_applied_timestamp_seconds", "When the rules last were applied", Type::Gauge,
      kept.applied_s);
}

void add_work(const Metrics::States::Work& work, std::vector<prometheus::MetricFamily>& out) {
  out.push_back(StateFamily("weft_runs_left_alone",
                            "Runs of this process that cannot be read, or not be written",
                            prometheus::MetricType::Gauge)
                    .add(static_cast<double>(work.runs_left_alone))
                    .take());
  prometheus::MetricFamily waiting;
  waiting.name = "weft_steps_waiting";
  waiting.help = "Steps that wait for a thread, by what the threads are for";
  waiting.type = prometheus::MetricType::Gauge;
  for (const auto& [threads, steps] : {std::pair("files", work.files_waiting),
                                       std::pair("commands", work.commands_waiting),
                                       std::pair("databases_and_mail", work.peers_waiting)}) {
    prometheus::ClientMetric metric;
    metric.label = {{"threads", threads}};
    metric.gauge.value = static_cast<double>(steps);
    waiting.metric.push_back(std::move(metric));
  }
  out.push_back(std::move(waiting));
}

}  // namespace

struct Metrics::Impl {
  prometheus::Registry registry;
  Counters& requests = counters("weft_http_requests_total", "HTTP requests answered");
  Histograms& request_seconds = histograms("weft_http_request_seconds", "Time to answer a request");
  Counters& success = counters("weft_request_success_total", "Generations ended, by reason");
  Histograms& latency = histograms("weft_e2e_request_latency_seconds", "Time of a generation");
  Histograms& first_token =
      histograms("weft_time_to_first_token_seconds", "Time to the first text of a generation");
  Histograms& prefill =
      histograms("weft_request_prefill_time_seconds", "Time to compute the prompt");
  Histograms& decode = histograms("weft_request_decode_time_seconds", "Time to generate");
  Histograms& prompt_tokens = histograms("weft_request_prompt_tokens", "Tokens of a prompt");
  Histograms& generation_tokens =
      histograms("weft_request_generation_tokens", "Tokens of an answer");
  // The next three names are given (requirements C60 to C62).
  Counters& workflows = counters("exaone_workflows_total", "Total number of workflows processed");
  Histograms& processing =
      histograms("exaone_processing_seconds", "Time spent processing workflows");
  Counters& errors = counters("exaone_errors_total", "Total number of workflow errors");

  prometheus::Counter& reasoning =
      counters("weft_reasoning_tokens_total", "Tokens thought, of chats and ended runs").Add({});
  prometheus::Counter& answer =
      counters("weft_answer_tokens_total", "Tokens answered, of chats and ended runs").Add({});

  Counters& counters(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  }
  Histograms& histograms(const char* name, const char* help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
  }
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::http_request(std::string_view route, int status, double seconds) {
  const std::string name = route.empty() ? "none" : std::string(route);
  impl_->requests.Add({{"route", name}, {"status", std::to_string(status)}}).Increment();
  impl_->request_seconds.Add({{"route", name}}, short_times()).Observe(seconds);
}

void Metrics::generation(const std::string& model, const backend::ChatResult& result,
                         double seconds, double first_token_seconds) {
  const prometheus::Labels labels{{"model_name", model}};
  impl_->success.Add({{"model_name", model}, {"finished_reason", result.finish_reason}})
      .Increment();
  impl_->latency.Add(labels, long_times()).Observe(seconds);
  if (first_token_seconds >= 0) {
    impl_->first_token.Add(labels, long_times()).Observe(first_token_seconds);
  }
  impl_->prefill.Add(labels, long_times()).Observe(result.prefill_seconds);
  impl_->decode.Add(labels, long_times()).Observe(result.decode_seconds);
  impl_->prompt_tokens.Add(labels, token_counts())
      .Observe(static_cast<double>(result.tokens.prompt));
  impl_->generation_tokens.Add(labels, token_counts())
      .Observe(static_cast<double>(result.tokens.reasoning + result.tokens.answer));
  tokens({result.tokens.reasoning, result.tokens.answer});
}

void Metrics::tokens(const Tokens& more) {
  impl_->reasoning.Increment(static_cast<double>(more.reasoning));
  impl_->answer.Increment(static_cast<double>(more.answer));
}

Metrics::Tokens Metrics::tokens() const {
  return {static_cast<int64_t>(impl_->reasoning.Value()),
          static_cast<int64_t>(impl_->answer.Value())};
}

void Metrics::workflow(const std::string& workflow, double seconds, bool succeeded) {
  const prometheus::Labels labels{{"workflow", workflow}};
  impl_->workflows.Add(labels).Increment();
  impl_->processing.Add(labels, long_times()).Observe(seconds);
  if (!succeeded) impl_->errors.Add(labels).Increment();
}

std::string Metrics::text(const States& states) const {
  std::vector<prometheus::MetricFamily> families = impl_->registry.Collect();
  add_http_states(states.http, families);
  add_model_states(states.models, families);
  add_engine_counters(states.models, families);
  add_endpoints(states.endpoints, families);
  if (states.retention) add_retention(*states.retention, families);
  if (states.witness) add_witness(*states.witness, families);
  if (states.work) add_work(*states.work, families);
  families.push_back(StateFamily("weft_answers_in_flight", "Answers being generated",
                                 prometheus::MetricType::Gauge)
                         .add(static_cast<double>(states.answers))
                         .take());
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace weft::server
