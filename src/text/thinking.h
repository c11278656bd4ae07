// SPDX-License-Identifier: Apache-2.0
//
// How clients say whether a model may reason, and for how long: every spelling in use, brought
// into one mode and one budget. One pure function, so that HTTP, command line and workflows mean
// the same by the same words, and nothing is ignored: fields that contradict each other are
// refused by name. The words of workflow steps: workflow/step_thinking.h.
//
//   on or off   enable_thinking, thinking (true, {type}), think, reasoning.enabled
//   effort      reasoning_effort, reasoning.effort, think ("low"), output_config.effort, low_effort
//   tokens      thinking_token_budget, thinking_budget_tokens, reasoning_budget_tokens,
//               thinking_budget, reasoning_budget, thinking.budget_tokens, reasoning.max_tokens,
//               nvext.max_thinking_tokens
//
// The same names may stand in chat_template_kwargs. A budget of 0 means off, any other one on; an
// effort is a budget unless one is given. What a budget does is the turn's business (chat/turn.h).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace weft::text {

// What the model may do before it answers. kAuto: the model's own default.
enum class ThinkingMode { kAuto, kOff, kOn };

struct ThinkingRequest {
  ThinkingMode mode = ThinkingMode::kAuto;
  std::optional<int64_t> budget_tokens;  // reasoning tokens at most; unset: no bound was named
  bool operator==(const ThinkingRequest&) const = default;
};

// `body`: a request of the chat or responses API. Members that say nothing about thinking are not
// looked at; null counts as absent. E0743: the message begins with the field's name as the client
// wrote it ("reasoning.effort: …"), up to the first colon.
Result<ThinkingRequest> parse_thinking(const json::Object& body);

// Members of a request that parse_thinking() reads, for a list of known fields.
std::span<const std::string_view> thinking_fields();
// Variables in chat_template_kwargs that it reads. Templates know enable_thinking and thinking,
// which the renderer sets itself: a caller leaves out all of these from what it passes on.
std::span<const std::string_view> thinking_variables();

// Most reasoning tokens that leave room for an answer of `answer_min` tokens within `tokens`,
// counting what a turn may add: the overrun to the end of a line (a tenth, at least 16 tokens), the
// opening marker and `close` tokens that end the reasoning. 0: there is no room to reason.
int64_t thinking_limit(int64_t tokens, int64_t answer_min, int64_t close);
// Tokens by which reasoning may go beyond its budget to reach the end of a line.
int64_t thinking_overrun(int64_t budget);

}  // namespace weft::text
