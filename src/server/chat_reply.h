// SPDX-License-Identifier: Apache-2.0
//
// A backend's results as OpenAI's clients read them: whole answers and chunks of a stream. Pure:
// the same results give the same bytes, but for id and time of creation, which are passed in.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "backend/backend.h"
#include "base/json.h"

namespace weft::server {

// What all parts of one answer repeat.
struct ReplyHead {
  std::string id;      // "chatcmpl-…"
  std::string object;  // "chat.completion", …
  std::string model;   // as the client named it
  int64_t created = 0; // seconds since 1970
  std::string fingerprint;  // system_fingerprint; empty: not known yet
};
json::Object reply_object(const ReplyHead& head);

struct ChoiceForm {
  bool logprobs = false;
  int top_logprobs = 0;
  bool include_reasoning = true;
  std::string call_seed = {};  // ids of tool calls begin with it
};
// choices[index] of a whole answer.
json::Object chat_choice(int index, const backend::ChatResult& result, const ChoiceForm& form);
// {token, logprob, bytes, top_logprobs} of the answer's own tokens. Where alternatives were asked
// for (`top` > 0), a token that nothing else could stand for is the only one of its own.
json::Array content_logprobs(std::span<const backend::GeneratedToken> tokens, int top);
// In OpenAI's form, arguments as JSON text; its id SEED_INDEX if it has none.
json::Object reply_tool_call(const chat::CallPiece& call, std::string_view id_seed);

// {prompt_tokens, completion_tokens, …} over all choices: the prompt counts once.
json::Object usage_of(std::span<const backend::ChatResult> results);

// {prompt_tokens, completion_tokens, total_tokens} of one choice, so far.
json::Object usage_so_far(const backend::TokenCounts& tokens);

// "data: {…}\n\n".
std::string event(const json::Value& data);
std::string named_event(std::string_view name, const json::Value& data);
constexpr std::string_view kDoneEvent = "data: [DONE]\n\n";

}  // namespace weft::server
