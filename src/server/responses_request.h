// SPDX-License-Identifier: Apache-2.0
//
// A request to /v1/responses, as the chat request that it means. Items (messages, calls, outputs of
// calls, reasoning) become messages in OpenAI's chat form; everything that chat has too goes
// through chat's own reader, so that both routes understand and refuse the same. Pure.
//
// Not here: files, images, tools that OpenAI runs itself, prompts stored elsewhere (E0751).
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "server/chat_request.h"

namespace weft::server {

struct ResponsesParameters {
  ChatParameters chat;        // of the whole conversation
  json::Array conversation;   // its messages without the instructions
  json::Array input;          // new items, each an object with `type`
  std::string previous;       // id; empty: none
  bool store = true;
  json::Object echo;          // members of the request that the response repeats
};

// The id of the response that the request goes on from; empty: none. E0750.
Result<std::string> previous_response_of(const json::Object& body);

// `history`: the messages up to there. E0750, E0751 and those of parse_chat_request().
Result<ResponsesParameters> parse_responses_request(const json::Object& body,
                                                    const json::Array& history);

}  // namespace weft::server
