// SPDX-License-Identifier: Apache-2.0
//
// How a family marks reasoning, tool calls and the end of its turn, as token ids of one tokenizer.
// Recognised from the added tokens and from what the chat template writes (design: chat-formats,
// sections 1 and 2), never guessed: a tokenizer that fits no family, or more than one, is an error.
//
//   Qwen3        <think> … </think>       <tool_call>\n{json}\n</tool_call>   <|im_end|>
//   EXAONE 4     <think> … </think>       <tool_call>{json}</tool_call>       [|endofturn|]
//   EXAONE Deep  <thought> … </thought>   none                                [|endofturn|]
//   Granite 4    <think> … </think>       <tool_call>\n{json}\n</tool_call>   <|end_of_text|>
//
// A template that writes calls as <function=NAME> (Qwen3-Coder, Qwen3.5, newer Granite) has
// calls in XML. EXAONE Deep's markers are ordinary text of several tokens.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "chat/call_text.h"
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
  CallFormat call_format = CallFormat::kJsonLines;
  // Markers of reasoning that are text; then think_open and think_close are absent.
  std::string think_text_open, think_text_close;
  std::vector<text::TokenId> turn_starts;  // a prompt's last one begins the assistant's turn
  std::vector<text::TokenId> stops;
  // What ends the reasoning when its budget is used up: the family's own words, then
  // </think> and the blank line that follows it.
  std::vector<text::TokenId> close_text;
  std::vector<text::TokenId> after_close;  // the blank line alone
  std::optional<text::TokenId> newline;    // one line end

  bool can_think() const { return think_open.has_value() || !think_text_open.empty(); }

  // `chat_template`: its source. E0742.
  static Result<Dialect> recognise(const text::Tokenizer& tokenizer,
                                   std::string_view chat_template = {});
};

}  // namespace weft::chat
