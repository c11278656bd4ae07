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
// Grammars: one for the answer, one for what stands between the markers of a call. Both get what
// is left of `tokens_max`, and the reasoning budget is cut so that enough is left: what begins is
// finished, complete and valid. Calls are told while they are written (chat/call_reader.h); one
// that is cut off because nobody waits for it stays a call that is not done. What never became a
// call, for it does not parse (only without a grammar), is shown as content, never dropped.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "chat/call_reader.h"
#include "chat/dialect.h"
#include "chat/message.h"
#include "chat/reasoning.h"
#include "chat/tools.h"
#include "grammar/matcher.h"
#include "text/tokenizer.h"

namespace weft::chat {

// Which calls the turn may hold.
struct CallOptions {
  ToolChoice::Mode choice = ToolChoice::Mode::kAuto;  // kNone: call markup is content
  bool parallel = true;                               // more than one call
  // Of the text between the markers, see call_grammar(). Null: any text, parsed as it comes.
  std::shared_ptr<grammar::Grammar> grammar;
  std::vector<Tool> tools;                            // types of XML parameters
};

struct TurnOptions {
  std::optional<int64_t> thinking_budget;  // tokens, >= 0; unset: no bound
  std::optional<int64_t> tokens_max;       // the whole turn's, as the engine counts them
  std::vector<std::string> stop;           // texts that end the answer and are not part of it
  std::vector<text::TokenId> stop_ids;     // beside the dialect's own
  CallOptions calls;
  std::shared_ptr<grammar::Grammar> answer;  // null: any text
  bool must_think = false;                   // where the prompt leaves it to the model
  bool keeps_time = false;                   // there is a deadline: ending() will be asked
};

// New since the last time.
struct TurnDelta {
  std::string reasoning;
  std::string content;
  std::vector<CallPiece> calls;
  bool empty() const { return reasoning.empty() && content.empty() && calls.empty(); }
};

struct TurnResult {
  std::optional<std::string> reasoning;  // absent: there was no reasoning block
  std::string content;
  std::vector<ToolCall> tool_calls;  // whole ones
  std::vector<CallPiece> calls;      // the same as they were written, and one that was cut short
  bool stopped = false;          // by a stop token, a stop text or the answer's grammar
  bool budget_reached = false;   // the closing text was forced
  int64_t reasoning_tokens = 0;  // markers and closing text included
  int64_t answer_tokens = 0;     // all others, the stop token included
};

// For one sequence and one thread at a time.
class Turn final : public grammar::Guide {
 public:
  // `prompt`: all tokens before the turn's first. E0326: tokens_max is too small for any answer
  // (or required call) of the grammar behind what reasoning the prompt has begun.
  static Result<std::unique_ptr<Turn>> create(text::Tokenizer tokenizer, Dialect dialect,
                                              std::span<const text::TokenId> prompt,
                                              TurnOptions options);

  std::optional<text::TokenId> forced() override;
  bool mask(grammar::TokenMask& mask) override;
  grammar::Verdict on_token(text::TokenId id) override;
  // Reasoning is closed now; what has a grammar is finished as the haste asks, other answers behind
  // reasoning get a few words. False: only free text is left, or nothing.
  bool wrap_up(grammar::Haste haste) override;
  grammar::Ending ending(grammar::Haste haste) override;  // needs TurnOptions::keeps_time

  TurnDelta take_delta();
  // The generation is over, for whatever reason: what was held back becomes text. Then result().
  void finish();
  const TurnResult& result() const { return result_; }
  bool reasoning_now() const { return state_ == State::kReasoning; }
  // After create(): as asked for, or cut to what tokens_max leaves.
  std::optional<int64_t> thinking_budget() const { return options_.thinking_budget; }

 private:
  enum class State { kStart, kReasoning, kAnswer, kToolCall };

  Turn(text::Tokenizer tokenizer, Dialect dialect, TurnOptions options);
  void start_from(std::span<const text::TokenId> prompt);
  Status reserve();
  int64_t answer_min() const;
  std::optional<int64_t> tokens_left() const;
  bool may_think() const;
  grammar::Ending form_ending(grammar::Haste haste);
  bool is_stop(text::TokenId id) const;
  grammar::Verdict stop();

  bool may_open_reasoning() const;
  void open_reasoning();
  void close_reasoning();
  void reasoning_token(text::TokenId id);
  bool reasoning_text(std::string_view text);  // true: it ends here, with nothing behind
  void add_reasoning(std::string_view text);
  bool mask_reasoning(grammar::TokenMask& mask);
  void forbid_past_marker(grammar::TokenMask& mask);

  bool answer_token(text::TokenId id, bool was_forced);  // true: the turn ends here
  void begin_answer();
  bool mask_answer(grammar::TokenMask& mask);
  bool add_content(std::string_view text);
  void release_held();
  void show(std::string_view text) {
    delta_.content += text;
    result_.content += text;
  }

  bool call_needed() const;
  bool may_open_call() const;
  bool only_calls() const;
  void mask_between_calls(grammar::TokenMask& mask);
  void open_call();
  bool mask_call(grammar::TokenMask& mask);
  bool call_token(text::TokenId id);  // true: the turn ends here
  void tell(const std::optional<CallPiece>& piece);
  void end_call(bool closed);

  text::Tokenizer tokenizer_;
  Dialect dialect_;
  TurnOptions options_;
  State state_ = State::kStart;
  text::StreamDecoder decoder_;
  std::deque<text::TokenId> forced_;
  ReasoningBlock block_;
  bool closed_once_ = false;
  grammar::Haste haste_ = grammar::Haste::kGoOn;
  int64_t words_left_ = 0;     // then: tokens of an answer without a grammar
  bool finished_ = false;
  std::unique_ptr<grammar::Matcher> answer_;  // of options_.answer
  bool answer_begun_ = false;
  std::unique_ptr<grammar::Matcher> call_;    // of the call being written
  bool line_ended_ = true;     // behind a call: a new one may begin at once
  bool skip_newlines_ = true;  // before the first character of a part
  bool separate_ = false;      // content goes on behind a tool call: on a new line
  std::string held_;           // content or reasoning not shown yet
  std::string marker_;         // what may become the closing marker, where that is text
  CallReader reader_;          // of the tool call being read
  TurnDelta delta_;
  TurnResult result_;
};

}  // namespace weft::chat
