// SPDX-License-Identifier: Apache-2.0
//
// How a family marks reasoning, tool calls and the end of its turn, as token ids of one tokenizer.
// Recognised from the added tokens alone (design: chat-formats, sections 1 and 2), never guessed: a
// tokenizer that fits no family, or more than one, is an error.
//
//   Qwen3      <think> … </think>   <tool_call>\n{json}\n</tool_call>   ends: <|im_end|>,
//   <|endoftext|> EXAONE 4   <think> … </think>   <tool_call>{json}</tool_call>       ends:
//   [|endofturn|] Granite 4  <think> … </think>   <tool_call>\n{json}\n</tool_call>   ends:
//   <|end_of_text|>
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "text/token.h"
#include "text/tokenizer.h"

namespace weft::chat {

struct Dialect {
  enum class Family { kQwen3, kExaone4, kGranite4 };
  Family family = Family::kQwen3;
  std::string name;  // "qwen3", "exaone4", "granite4"

  // Absent when the tokenizer lacks them: then the model has no such form.
  std::optional<text::TokenId> think_open, think_close;
  std::optional<text::TokenId> call_open, call_close;
  std::vector<text::TokenId> turn_starts;  // a prompt's last one begins the assistant's turn
  std::vector<text::TokenId> stops;
  // What ends the reasoning when its budget is used up: the family's own words, then
  // </think> and the blank line that follows it.
  std::vector<text::TokenId> close_text;
  std::vector<text::TokenId> after_close;  // the blank line alone

  // E0742.
  static Result<Dialect> recognise(const text::Tokenizer& tokenizer);
};

}  // namespace weft::chat
