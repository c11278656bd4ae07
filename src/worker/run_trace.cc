// SPDX-License-Identifier: Apache-2.0
#include "worker/run_trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/digest.h"
#include "worker/run_reader.h"

namespace weft::worker {
namespace {

constexpr int kSpanInternal = 1;
constexpr int kSpanClient = 3;
constexpr int kStatusError = 2;

json::Object text_attribute(std::string_view key, std::string_view value) {
  json::Object held;
  held["stringValue"] = value;
  json::Object out;
  out["key"] = key;
  out["value"] = std::move(held);
  return out;
}

// 64-bit integers are texts in OTLP's JSON.
json::Object number_attribute(std::string_view key, int64_t value) {
  json::Object held;
  held["intValue"] = std::to_string(value);
  json::Object out;
  out["key"] = key;
  out["value"] = std::move(held);
  return out;
}

std::string span_id(std::string_view run, std::string_view path) {
  return sha256_hex(fmt::format("{}\n{}", run, path)).substr(0, 16);
}

struct Timed {
  int64_t begin_us = 0;
  int64_t end_us = 0;
};

json::Object span_of(std::string_view run, std::string_view path, std::string name, Timed times) {
  json::Object out;
  out["traceId"] = trace_id(run);
  out["spanId"] = span_id(run, path);
  out["name"] = std::move(name);
  out["kind"] = kSpanInternal;
  out["startTimeUnixNano"] = std::to_string(times.begin_us * 1000);
  out["endTimeUnixNano"] = std::to_string(std::max(times.begin_us, times.end_us) * 1000);
  return out;
}

void mark_failed(json::Object& span, std::string_view status) {
  if (status != "failed" && status != "timed_out" && status != "cancelled") return;
  json::Object state;
  state["code"] = kStatusError;
  state["message"] = status;
  span["status"] = std::move(state);
}

json::Object call_span(std::string_view run, const AiCallRow& call, Timed step) {
  const Timed times{std::max(step.begin_us, step.end_us - call.prefill_us - call.decode_us),
                    step.end_us};
  const std::string path = fmt::format("{}#{}.{}", call.path, call.attempt, call.n);
  json::Object span = span_of(run, path, "chat " + call.model, times);
  span["kind"] = kSpanClient;
  span["parentSpanId"] = span_id(run, call.path);
  json::Array attributes;
  attributes.push_back(text_attribute("gen_ai.operation.name", "chat"));
  attributes.push_back(text_attribute("gen_ai.provider.name", "weft"));
  attributes.push_back(text_attribute("gen_ai.request.model", call.model));
  attributes.push_back(text_attribute("gen_ai.response.model", call.model));
  attributes.push_back(number_attribute("gen_ai.usage.input_tokens", call.tokens_prompt));
  attributes.push_back(number_attribute("gen_ai.usage.output_tokens",
                                        call.tokens_reasoning + call.tokens_answer));
  attributes.push_back(text_attribute("gen_ai.response.finish_reason", call.finish_reason));
  attributes.push_back(text_attribute("weft.prompt_hash", call.prompt_hash));
  attributes.push_back(text_attribute("weft.model_hash", call.model_hash));
  span["attributes"] = std::move(attributes);
  return span;
}

json::Object wrapped(json::Array spans) {
  json::Array about;
  about.push_back(text_attribute("service.name", "weft"));
  json::Object resource;
  resource["attributes"] = std::move(about);
  json::Object scope;
  scope["name"] = "weft";
  json::Object group;
  group["scope"] = std::move(scope);
  group["spans"] = std::move(spans);
  json::Object one;
  one["resource"] = std::move(resource);
  one["scopeSpans"] = json::Array{std::move(group)};
  json::Object out;
  out["resourceSpans"] = json::Array{std::move(one)};
  return out;
}

}  // namespace

std::string trace_id(std::string_view run) { return sha256_hex(run).substr(0, 32); }

Result<json::Object> run_trace(store::Db& db, std::string_view run) {
  const RunSummary summary = TRY(read_summary(db, run));
  json::Array spans;
  json::Object root = span_of(run, "", "invoke_workflow " + summary.workflow,
                              {summary.created_us, summary.finished_us});
  root["attributes"] = json::Array{text_attribute("weft.run", run),
                                   text_attribute("weft.workflow", summary.workflow),
                                   text_attribute("weft.status", summary.status)};
  mark_failed(root, summary.status);
  spans.push_back(std::move(root));
  std::map<std::string, Timed, std::less<>> steps;
  auto rows = TRY(db.query("SELECT path, status, attempt, started_us, coalesce(finished_us, 0) "
                           "FROM step WHERE run = $1 AND started_us IS NOT NULL ORDER BY path",
                           {run}));
  while (TRY(rows->next())) {
    const std::string path(rows->text(0));
    Timed times{rows->int64(3), rows->int64(4)};
    if (times.end_us == 0) times.end_us = summary.finished_us;
    json::Object span = span_of(run, path, "step " + path, times);
    span["parentSpanId"] = span_id(run, "");
    span["attributes"] = json::Array{text_attribute("weft.step", path),
                                     text_attribute("weft.status", rows->text(1)),
                                     number_attribute("weft.attempts", rows->int64(2))};
    mark_failed(span, rows->text(1));
    spans.push_back(std::move(span));
    steps[path] = times;
  }
  for (const AiCallRow& call : TRY(ai_calls(db, run))) {
    const auto step = steps.find(call.path);
    if (step != steps.end()) spans.push_back(call_span(run, call, step->second));
  }
  return wrapped(std::move(spans));
}

}  // namespace weft::worker
