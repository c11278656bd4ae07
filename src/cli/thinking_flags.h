// SPDX-License-Identifier: Apache-2.0
//
// --think, --no-think and --thinking-budget, which commands that ask a model have. The same words
// mean the same everywhere, and what contradicts itself is refused: by the function that requests
// over HTTP go through, in the words of the command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "text/thinking.h"

namespace weft::cli {

// E0904.
inline Result<text::ThinkingRequest> thinking_of_flags(bool think, bool no_think,
                                                       std::optional<int64_t> budget = {}) {
  json::Object body;
  if (think || no_think) body["enable_thinking"] = think;
  if (think && no_think) body["think"] = false;
  if (budget) body["thinking_budget"] = *budget;
  auto said = text::parse_thinking(body);
  if (said.ok()) return said;
  std::string message = said.error().message;
  for (const auto& [field, flag] : {std::pair<std::string_view, std::string_view>
                                    {"enable_thinking: true", "--think"},
                                    {"enable_thinking: false", "--no-think"},
                                    {"think: false", "--no-think"},
                                    {"thinking_budget", "--thinking-budget"}}) {
    const size_t at = message.find(field);
    if (at != std::string::npos) message.replace(at, field.size(), flag);
  }
  return make_error("E0904", std::move(message), "give one of them");
}

}  // namespace weft::cli
