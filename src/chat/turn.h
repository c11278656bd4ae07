// SPDX-License-Identifier: Apache-2.0
//
// One assistant turn, while it is generated: splits the tokens into reasoning, answer and tool
// calls, keeps the reasoning within its budget, and ends the turn at stop tokens and stop texts.
// One automaton that both allows and parses, driven by token ids, starting from the state in which
// the rendered prompt leaves the model.
//
//   start --<think>--> reasoning --</think>--> answer <--> tool call
//     \______________________________________^
//
// Budget: from the budget on, the reasoning may run on for a tenth, at least 16 tokens, to reach
// the end of a line; then the family's closing text is forced and reopening is forbidden. So
// reasoning tokens <= budget + max(16, budget / 10) + the closing text, never more.
//
// A grammar for the answer is another Guide, asked only while the answer is written.
// Tool calls that do not parse are shown as content, never dropped.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "chat/dialect.h"
#include "chat/message.h"
#include "grammar/guide.h"
#include "text/tokenizer.h"

namespace weft::chat {

struct TurnOptions {
  std::optional<int64_t> thinking_budget;  // tokens, >= 0; unset: no bound
  std::vector<std::string> stop;           // texts that end the answer and are not part of it
  std::vector<text::TokenId> stop_ids;     // beside the dialect's own
  bool parse_tool_calls = true;            // else their markup is content
  grammar::Guide* answer = nullptr;        // steers the answer; must outlive the turn
};

// New since the last time.
struct TurnDelta {
  std::string reasoning;
  std::string content;
  std::vector<ToolCall> tool_calls;
  bool empty() const { return reasoning.empty() && content.empty() && tool_calls.empty(); }
};

struct TurnResult {
  std::optional<std::string> reasoning;  // absent: there was no reasoning block
  std::string content;
  std::vector<ToolCall> tool_calls;
  bool stopped = false;          // by a stop token, a stop text or the answer's grammar
  bool budget_reached = false;   // the closing text was forced
  int64_t reasoning_tokens = 0;  // markers and closing text included
  int64_t answer_tokens = 0;     // all others, the stop token included
};

// For one sequence and one thread at a time.
class Turn final : public grammar::Guide {
 public:
  // `prompt`: all tokens before the turn's first.
  Turn(text::Tokenizer tokenizer, Dialect dialect, std::span<const text::TokenId> prompt,
       TurnOptions options);

  std::optional<text::TokenId> forced() override;
  bool mask(grammar::TokenMask& mask) override;
  grammar::Verdict on_token(text::TokenId id) override;

  TurnDelta take_delta();
  // The generation is over, for whatever reason: what was held back becomes text. Then result().
  void finish();
  const TurnResult& result() const { return result_; }
  bool reasoning_now() const { return state_ == State::kReasoning; }

 private:
  enum class State { kStart, kReasoning, kAnswer, kToolCall };

  void start_from(std::span<const text::TokenId> prompt);
  bool reopening_forbidden() const;
  void open_reasoning();
  void close_reasoning();
  void reasoning_token(text::TokenId id);
  bool must_close() const;
  bool answer_token(text::TokenId id, bool was_forced);  // true: the turn ends here
  bool add_content(std::string_view text);
  void tool_call_token(text::TokenId id);
  void end_tool_call(bool closed);
  void add_reasoning(std::string_view text);
  void release_held();
  bool is_stop(text::TokenId id) const;

  text::Tokenizer tokenizer_;
  Dialect dialect_;
  TurnOptions options_;
  State state_ = State::kStart;
  text::StreamDecoder decoder_;
  std::deque<text::TokenId> forced_;
  int64_t block_tokens_ = 0;  // generated since the block was opened
  bool line_ended_ = false;   // the last token of the reasoning ends a line
  std::string tail_;          // the last bytes of the reasoning, to see where a character ends
  bool closed_once_ = false;
  bool finished_ = false;
  bool skip_newlines_ = true;  // before the first character of a part
  bool separate_ = false;      // content goes on behind a tool call: on a new line
  std::string held_;           // content or reasoning not shown yet
  std::string call_;           // text of the tool call being read
  TurnDelta delta_;
  TurnResult result_;
};

}  // namespace weft::chat
