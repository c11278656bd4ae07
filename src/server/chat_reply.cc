// SPDX-License-Identifier: Apache-2.0
#include "server/chat_reply.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"

namespace weft::server {
namespace {

using backend::ChatResult;
using backend::GeneratedToken;

// A token alone may be a part of a character: `token` shows what can be shown, `bytes` what it is.
json::Object token_object(const std::string& bytes, float logprob) {
  std::string text;
  json::append_quoted(text, bytes);  // invalid UTF-8 becomes U+FFFD
  json::Array numbers;
  for (const char c : bytes) numbers.push_back(static_cast<unsigned char>(c));
  json::Object out;
  out["token"] = *json::parse(text);
  out["logprob"] = logprob;
  out["bytes"] = std::move(numbers);
  return out;
}

}  // namespace

json::Object reply_object(const ReplyHead& head) {
  json::Object out{{"id", head.id}, {"object", head.object}, {"created", head.created},
                   {"model", head.model}};
  if (!head.fingerprint.empty()) out["system_fingerprint"] = head.fingerprint;
  return out;
}

json::Array content_logprobs(std::span<const GeneratedToken> tokens, int top_wanted) {
  json::Array out;
  for (const GeneratedToken& token : tokens) {
    if (token.part != GeneratedToken::Part::kAnswer) continue;
    json::Object entry = token_object(token.bytes, token.logprob);
    json::Array top;
    for (const backend::TokenAlternative& other : token.top) {
      top.push_back(token_object(other.bytes, other.logprob));
    }
    if (top.empty() && top_wanted > 0) top.push_back(token_object(token.bytes, token.logprob));
    entry["top_logprobs"] = std::move(top);
    out.push_back(std::move(entry));
  }
  return out;
}

json::Object reply_tool_call(const chat::CallPiece& call, std::string_view id_seed) {
  return {{"id", call.id.empty() ? fmt::format("{}_{}", id_seed, call.index) : call.id},
          {"type", "function"},
          {"function", json::Object{{"name", call.name}, {"arguments", call.arguments}}}};
}

json::Object chat_choice(int index, const ChatResult& result, const ChoiceForm& form) {
  json::Object message{{"role", "assistant"}};
  const bool silent = result.content.empty() && !result.calls.empty();
  message["content"] = silent ? json::Value() : json::Value(result.content);
  message["refusal"] = nullptr;
  if (form.include_reasoning && !result.reasoning.empty()) {
    message["reasoning_content"] = result.reasoning;
    message["reasoning"] = result.reasoning;
  }
  if (!result.calls.empty()) {
    json::Array calls;
    for (const chat::CallPiece& call : result.calls) {
      calls.push_back(reply_tool_call(call, fmt::format("{}_{}", form.call_seed, index)));
    }
    message["tool_calls"] = std::move(calls);
  }
  json::Object out{{"index", index}, {"message", std::move(message)}};
  out["logprobs"] = nullptr;
  if (form.logprobs) {
    out["logprobs"] = json::Object{{"content", 
        content_logprobs(result.generated, form.top_logprobs)}};
  }
  out["finish_reason"] = result.finish_reason;
  if (!result.stop_reason.empty()) out["stop_reason"] = result.stop_reason;
  return out;
}

json::Object usage_of(std::span<const ChatResult> results) {
  int64_t prompt = 0, completion = 0, reasoning = 0, cached = -1;
  for (const ChatResult& result : results) {
    prompt = result.tokens.prompt;
    // Of several answers one has computed the prompt for all.
    cached = cached < 0 ? result.tokens.cached : std::min(cached, result.tokens.cached);
    reasoning += result.tokens.reasoning;
    completion += result.tokens.reasoning + result.tokens.answer;
  }
  json::Object details{{"reasoning_tokens", reasoning},
                       {"accepted_prediction_tokens", 0},
                       {"rejected_prediction_tokens", 0}};
  if (!results.empty() && results[0].thinking_budget) {
    details["reasoning_budget"] = *results[0].thinking_budget;
  }
  return {{"prompt_tokens", prompt},
          {"completion_tokens", completion},
          {"total_tokens", prompt + completion},
          {"prompt_tokens_details", json::Object{{"cached_tokens", std::max<int64_t>(cached, 0)}}},
          {"completion_tokens_details", std::move(details)}};
}

json::Object usage_so_far(const backend::TokenCounts& tokens) {
  const int64_t completion = tokens.reasoning + tokens.answer;
  return {{"prompt_tokens", tokens.prompt},
          {"completion_tokens", completion},
          {"total_tokens", tokens.prompt + completion}};
}

std::string event(const json::Value& data) { return "data: " + json::dump(data) + "\n\n"; }

std::string named_event(std::string_view name, const json::Value& data) {
  return fmt::format("event: {}\ndata: {}\n\n", name, json::dump(data));
}

}  // namespace weft::server
