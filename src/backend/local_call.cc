// SPDX-License-Identifier: Apache-2.0
#include "backend/local_call.h"

#include <fmt/format.h>

#include <algorithm>

#include "chat/spaced_json.h"

namespace weft::backend {

Result<std::vector<chat::Message>> messages_for(const LoadedModel& model,
                                                const json::Array& messages) {
  std::vector<chat::Message> out = TRY(chat::parse_messages(messages));
  if (model.instance->config.generation.json_spacing == "spaced") chat::space_tool_results(out);
  return out;
}

Status check_could_fit(const LoadedModel& model, std::string_view text) {
  CHECK(model.instance->tokenizer.has_value());
  const int64_t limit = model.engine->context();
  if (std::ssize(text) < limit) return ok_status();  // a token has at least a byte
  const int64_t fewest = model.instance->tokenizer->fewest_tokens(text);
  if (fewest < limit) return ok_status();
  const bool cache = limit < model.instance->config.context;
  return make_error("E0731",
                    fmt::format("the prompt has at least {} tokens, {} holds {}", fewest,
                                cache ? "the KV cache" : "the model's context", limit),
                    "shorten the input");
}

Result<runtime::Sampling> sampling_of(const ChatRequest& request,
                                      const model::GenerationDefaults& defaults) {
  runtime::Sampling out;
  // Without a word from request or checkpoint: greedy, as the checkpoints' makers do.
  out.temperature = request.temperature.value_or(defaults.temperature.value_or(0.0));
  out.top_p = request.top_p.value_or(defaults.top_p.value_or(1.0));
  out.top_k = static_cast<int>(
      std::clamp<int64_t>(request.top_k.value_or(defaults.top_k.value_or(0)), -(1 << 30),
                          1 << 30));
  out.min_p = request.min_p.value_or(defaults.min_p.value_or(0.0));
  out.repetition_penalty =
      request.repetition_penalty.value_or(defaults.repetition_penalty.value_or(1.0));
  out.presence_penalty = request.presence_penalty.value_or(0.0);
  out.frequency_penalty = request.frequency_penalty.value_or(0.0);
  out.seed = request.seed;
  out.choice = request.choice_index;
  TRY(runtime::check_sampling(out));
  return out;
}

Status set_service(runtime::Request& work, const ChatRequest& request, int64_t called_ns) {
  constexpr int64_t kDeadlineMax = int64_t{1000} * 3600 * 24 * 365;  // ms
  const int64_t deadline_ms = request.deadline_ms.value_or(kDeadlineMax);
  if (deadline_ms < 1 || deadline_ms > kDeadlineMax) {
    return make_error("E0712", fmt::format("deadline_ms: expected 1 to {} from now, found {}",
                                           kDeadlineMax, deadline_ms));
  }
  work.priority = request.priority;
  work.cache_salt = request.cache_salt;
  if (request.deadline_ms) {
    work.deadline_ns = called_ns + deadline_ms * 1'000'000;
  } else {
    work.hurries = hurries_from(request.hurries);
  }
  return ok_status();
}

json::Array hurries_record(const std::vector<runtime::Hurry>& hurries) {
  json::Array out;
  for (const runtime::Hurry& one : hurries) {
    out.emplace_back(json::Array{one.at, static_cast<int64_t>(one.haste)});
  }
  return out;
}

std::vector<runtime::Hurry> hurries_from(const json::Array& record) {
  std::vector<runtime::Hurry> out;
  for (const json::Value& one : record) {
    if (!one.is_array() || one.get_array().size() != 2) continue;
    const json::Value& at = one.get_array()[0];
    const json::Value& haste = one.get_array()[1];
    if (!at.is_int64() || !haste.is_int64()) continue;
    const int64_t level = haste.get_int64();
    if (level < 1 || level > static_cast<int64_t>(grammar::Haste::kAtOnce)) continue;
    out.push_back({static_cast<int>(std::clamp<int64_t>(at.get_int64(), 0, INT32_MAX)),
                   static_cast<grammar::Haste>(level)});
  }
  return out;
}

std::vector<std::string> hurries_in_words(const json::Array& record) {
  std::vector<std::string> out;
  for (const runtime::Hurry& one : hurries_from(record)) {
    const std::string_view what = one.haste == grammar::Haste::kAnswer ? "no more thinking"
                                  : one.haste == grammar::Haste::kShortest
                                      ? "the shortest way to the end"
                                      : "the end, without asking the model";
    out.push_back(fmt::format("deadline: {} after {} tokens", what, one.at));
  }
  return out;
}

ChatResult never_begun(const std::string& model) {
  ChatResult out;
  out.evidence.model = model;
  out.finish_reason = finish_reason(runtime::Finish::kCancelled);
  return out;
}

std::string finish_reason(runtime::Finish finish) {
  switch (finish) {
    case runtime::Finish::kCancelled: return "cancelled";
    case runtime::Finish::kLength:
    case runtime::Finish::kDeadline:
    case runtime::Finish::kLoop: return "length";
    case runtime::Finish::kStop:
    case runtime::Finish::kError: break;
  }
  return "stop";
}

std::string stop_reason(runtime::Finish finish) {
  if (finish == runtime::Finish::kLoop) return "repetition";
  return finish == runtime::Finish::kDeadline ? "deadline" : "";
}

TokenCounts with_engine_counts(TokenCounts counts, const runtime::Usage& usage) {
  counts.cached = usage.cached_tokens;
  counts.drafted = usage.drafted_tokens;
  counts.accepted = usage.accepted_tokens;
  return counts;
}

json::Object sampler_record(const runtime::Sampling& sampling, const ChatRequest& request) {
  return {{"temperature", sampling.temperature},
          {"top_k", sampling.top_k},
          {"top_p", sampling.top_p},
          {"min_p", sampling.min_p},
          {"repetition_penalty", sampling.repetition_penalty},
          {"presence_penalty", sampling.presence_penalty},
          {"frequency_penalty", sampling.frequency_penalty},
          {"seed", sampling.seed},
          {"max_tokens", request.max_tokens}};
}

}  // namespace weft::backend
