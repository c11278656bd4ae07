// SPDX-License-Identifier: Apache-2.0
//
// What a step that asks a model says about thinking: `mode` (non_reasoning, reasoning, adaptive)
// and `thinking: {budget_tokens, limit_tokens}`. The one idea: they are judged by the same function
// as the fields of a request over HTTP (text/thinking.h), when the document is read and again when
// the step runs and its expressions have become values.
//
// A limit only bounds what the model or a router takes; a budget is a wish, and contradicts a mode
// without thinking. It knows no class and no router.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "text/thinking.h"

namespace weft::workflow {

struct StepThinking {
  text::ThinkingMode mode = text::ThinkingMode::kAuto;  // as the step's mode says
  std::optional<int64_t> budget_tokens;  // at most; the smaller of budget and limit
};

// `mode` may be empty; `thinking` null or absent (nullptr). E0410 an unknown member; E0412 a value
// of the wrong kind or range, or a contradiction. Messages begin with the member's name up to the
// first colon: "thinking.budget_tokens: …".
Result<StepThinking> step_thinking(std::string_view mode, const json::Value* thinking);

}  // namespace weft::workflow
