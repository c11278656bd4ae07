// SPDX-License-Identifier: Apache-2.0
#include "chat/turn.h"

#include <algorithm>

#include "base/strings.h"

namespace weft::chat {

using grammar::TokenMask;
using grammar::Verdict;
using text::TokenId;

namespace {

bool is_one_of(TokenId id, const std::vector<TokenId>& ids) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

std::string_view without_newlines(std::string_view text) {
  const size_t begin = text.find_first_not_of('\n');
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin);
}

size_t trailing_newlines(std::string_view text) {
  const size_t last = text.find_last_not_of('\n');
  return last == std::string_view::npos ? text.size() : text.size() - last - 1;
}

// The longest end of `text` that could still become one of `stops`: so much is held back from
// whoever reads along. Quadratic in the length of a stop text, of which there are few and short.
size_t possible_stop(std::string_view text, const std::vector<std::string>& stops) {
  size_t longest = 0;
  for (const std::string& stop : stops) {
    for (size_t size = std::min(text.size(), stop.size()); size > longest; --size) {
      if (text.ends_with(std::string_view(stop).substr(0, size))) longest = size;
    }
  }
  return longest;
}

// Whether JSON text ends inside a string: then a marker that follows is part of the string. Quotes
// and backslashes decide that alone, so no parser has to survive half a document.
bool inside_json_string(std::string_view text) {
  bool inside = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && inside)
      ++i;
    else if (text[i] == '"')
      inside = !inside;
  }
  return inside;
}

// Whether bytes end in the middle of a UTF-8 character: its first byte says how many follow
// (110xxxxx one, 1110xxxx two, 11110xxx three), and fewer are there. A closing text forced between
// them would tear the character apart.
bool inside_character(std::string_view bytes) {
  for (size_t back = 1; back <= 3 && back <= bytes.size(); ++back) {
    const auto byte = static_cast<unsigned char>(bytes[bytes.size() - back]);
    if (byte < 0x80) return false;
    if (byte < 0xC0) continue;
    return back < (byte < 0xE0 ? 2u : (byte < 0xF0 ? 3u : 4u));
  }
  return false;
}

// {"name": …, "arguments": …}, with nothing but white space around.
std::optional<ToolCall> parse_call(std::string_view text) {
  const auto parsed = json::parse(trim(text));
  if (!parsed.ok() || !parsed->is_object()) return std::nullopt;
  const json::Object& object = parsed->get_object();
  const json::Value* name = object.if_contains("name");
  if (name == nullptr || !name->is_string() || name->get_string().empty()) return std::nullopt;
  ToolCall call;
  call.name = std::string(name->get_string());
  const json::Value* arguments = object.if_contains("arguments");
  call.arguments = arguments ? *arguments : json::Value(json::Object());
  if (call.arguments.is_string()) {
    // Some models write the object once more as JSON inside a string.
    auto inner = json::parse(call.arguments.get_string());
    if (inner.ok() && inner->is_object()) call.arguments = std::move(inner).value();
  }
  return call;
}

}  // namespace

Turn::Turn(text::Tokenizer tokenizer, Dialect dialect, std::span<const TokenId> prompt,
           TurnOptions options)
    : tokenizer_(std::move(tokenizer)),
      dialect_(std::move(dialect)),
      options_(std::move(options)),
      decoder_(tokenizer_) {
  CHECK(!options_.thinking_budget || *options_.thinking_budget >= 0);
  std::erase(options_.stop, std::string());
  start_from(prompt);
}

// The last marker of the prompt's last turn says where the model stands: templates open the
// reasoning block themselves, or open and close it, or leave it to the model. Reading the rendered
// tokens covers all three; asking the template's options would need to know every template.
void Turn::start_from(std::span<const TokenId> prompt) {
  if (!dialect_.think_open) return;
  for (auto id = prompt.rbegin(); id != prompt.rend(); ++id) {
    if (is_one_of(*id, dialect_.turn_starts)) return;
    if (*id == *dialect_.think_close) {
      state_ = State::kAnswer;
      closed_once_ = true;
      return;
    }
    if (*id == *dialect_.think_open) {
      open_reasoning();
      return;
    }
  }
}

bool Turn::reopening_forbidden() const {
  if (!dialect_.think_open || state_ == State::kReasoning) return false;
  // After the block, however it was closed; and from the start when nothing may be thought.
  return closed_once_ || (options_.thinking_budget && *options_.thinking_budget == 0);
}

void Turn::open_reasoning() {
  state_ = State::kReasoning;
  block_tokens_ = 0;
  line_ended_ = true;
  tail_.clear();
  skip_newlines_ = true;
  if (!result_.reasoning) result_.reasoning.emplace();
}

void Turn::close_reasoning() {
  add_reasoning(decoder_.flush());
  held_.clear();  // newlines before </think>
  state_ = State::kAnswer;
  closed_once_ = true;
  skip_newlines_ = true;
}

std::optional<TokenId> Turn::forced() {
  if (finished_) return std::nullopt;
  if (forced_.empty() && must_close()) {
    result_.budget_reached = true;
    forced_.assign(dialect_.close_text.begin(), dialect_.close_text.end());
  }
  if (!forced_.empty()) return forced_.front();
  if (state_ == State::kAnswer && options_.answer) return options_.answer->forced();
  return std::nullopt;
}

bool Turn::must_close() const {
  if (state_ != State::kReasoning || !options_.thinking_budget) return false;
  const int64_t budget = *options_.thinking_budget;
  if (block_tokens_ < budget) return false;
  const int64_t window = std::max<int64_t>(16, budget / 10);
  const int64_t over = block_tokens_ - budget;
  if (over >= window) return true;
  // A character has at most four bytes: three tokens before the end of the window it is high time.
  return !inside_character(tail_) && (line_ended_ || over >= window - 3);
}

bool Turn::mask(TokenMask& mask) {
  bool masked = false;
  if (state_ == State::kAnswer && options_.answer) {
    masked = options_.answer->mask(mask);
  } else if (state_ == State::kStart && options_.answer) {
    // Either the answer begins, as its grammar says, or the reasoning does.
    masked = options_.answer->mask(mask);
    if (masked && dialect_.think_open && !reopening_forbidden()) mask.allow(*dialect_.think_open);
  }
  if (reopening_forbidden() && static_cast<size_t>(*dialect_.think_open) < mask.size()) {
    mask.forbid(*dialect_.think_open);
    masked = true;
  }
  return masked;
}

bool Turn::is_stop(TokenId id) const {
  return is_one_of(id, dialect_.stops) || is_one_of(id, options_.stop_ids);
}

Verdict Turn::on_token(TokenId id) {
  CHECK(!finished_);
  const bool was_forced = !forced_.empty();
  if (was_forced) {
    CHECK(id == forced_.front(), "token {} came where {} was forced", id, forced_.front());
    forced_.pop_front();
  }
  if (is_stop(id)) {
    (state_ == State::kReasoning ? result_.reasoning_tokens : result_.answer_tokens) += 1;
    result_.stopped = true;
    finish();
    return Verdict::kStop;
  }
  switch (state_) {
    case State::kReasoning:
      reasoning_token(id);
      return Verdict::kContinue;
    case State::kToolCall:
      ++result_.answer_tokens;
      tool_call_token(id);
      return Verdict::kContinue;
    case State::kStart:
    case State::kAnswer:
      break;
  }
  if (id == dialect_.think_open && !reopening_forbidden()) {
    add_content(decoder_.flush());
    release_held();
    open_reasoning();
    ++result_.reasoning_tokens;
    return Verdict::kContinue;
  }
  state_ = State::kAnswer;
  ++result_.answer_tokens;
  if (!answer_token(id, was_forced)) return Verdict::kContinue;
  result_.stopped = true;
  finish();
  return Verdict::kStop;
}

void Turn::reasoning_token(TokenId id) {
  ++block_tokens_;
  ++result_.reasoning_tokens;
  if (id == dialect_.think_close) {
    close_reasoning();
    // A grammar has no room for the blank line that models write here: it is written for them.
    if (forced_.empty() && options_.answer) {
      forced_.assign(dialect_.after_close.begin(), dialect_.after_close.end());
    }
    return;
  }
  const std::string text = decoder_.push(id);
  line_ended_ = text.ends_with('\n');
  tail_ += tokenizer_.token_bytes(id);
  if (tail_.size() > 4) tail_.erase(0, tail_.size() - 4);
  add_reasoning(text);
}

// Newlines around the reasoning belong to the markup.
void Turn::add_reasoning(std::string_view text) {
  if (skip_newlines_) text = without_newlines(text);
  if (text.empty()) return;
  skip_newlines_ = false;
  held_ += text;
  const size_t shown = held_.size() - trailing_newlines(held_);
  delta_.reasoning.append(held_, 0, shown);
  result_.reasoning->append(held_, 0, shown);
  held_.erase(0, shown);
}

bool Turn::answer_token(TokenId id, bool was_forced) {
  if (options_.parse_tool_calls && id == dialect_.call_open) {
    add_content(decoder_.flush());
    release_held();
    call_.clear();
    state_ = State::kToolCall;
    return false;
  }
  // A stray marker is no text for the reader; what stands before it has been shown already.
  if (id == dialect_.think_close || id == dialect_.think_open) return false;
  if (add_content(decoder_.push(id))) return true;
  // What the turn itself forced, the blank line behind </think>, is not the grammar's.
  if (was_forced || !options_.answer) return false;
  return options_.answer->on_token(id) == Verdict::kStop;
}

// Shows what can be shown: not the beginning of a stop text, nor newlines that a tool call or the
// end of the turn would make part of the markup.
bool Turn::add_content(std::string_view text) {
  if (skip_newlines_) text = without_newlines(text);
  if (text.empty()) return false;
  skip_newlines_ = false;
  if (std::exchange(separate_, false)) held_ += '\n';
  held_ += text;
  size_t stop_at = std::string::npos;
  for (const std::string& stop : options_.stop) stop_at = std::min(stop_at, held_.find(stop));
  const bool stops = stop_at != std::string::npos;
  size_t shown = stop_at;
  if (stops) {
    held_.resize(stop_at);
  } else {
    const size_t open = held_.size() - possible_stop(held_, options_.stop);
    shown = open - trailing_newlines(std::string_view(held_).substr(0, open));
  }
  delta_.content.append(held_, 0, shown);
  result_.content.append(held_, 0, shown);
  held_.erase(0, shown);
  return stops;
}

// What was held back turns out not to begin a stop text; newlines at its end are markup.
void Turn::release_held() {
  held_.resize(held_.size() - trailing_newlines(held_));
  delta_.content += held_;
  result_.content += held_;
  held_.clear();
}

void Turn::tool_call_token(TokenId id) {
  if (id == dialect_.call_close && !inside_json_string(call_)) {
    call_ += decoder_.flush();
    end_tool_call(true);
    return;
  }
  call_ += decoder_.push(id);
}

void Turn::end_tool_call(bool closed) {
  state_ = State::kAnswer;
  std::optional<ToolCall> call = closed ? parse_call(call_) : std::nullopt;
  if (call) {
    delta_.tool_calls.push_back(*call);
    result_.tool_calls.push_back(*std::move(call));
    skip_newlines_ = true;
    separate_ = !result_.content.empty();
  } else {
    const std::string text =
        std::string(tokenizer_.token_bytes(*dialect_.call_open)) + call_ +
        std::string(closed ? tokenizer_.token_bytes(*dialect_.call_close) : "");
    delta_.content += text;
    result_.content += text;
    skip_newlines_ = false;
  }
  call_.clear();
}

void Turn::finish() {
  if (finished_) return;
  finished_ = true;
  forced_.clear();
  if (state_ == State::kReasoning) {
    add_reasoning(decoder_.flush());
  } else if (state_ == State::kToolCall) {
    call_ += decoder_.flush();
    end_tool_call(false);
  } else {
    add_content(decoder_.flush());
    // Newlines after a tool call are markup, others were meant.
    delta_.content += held_;
    result_.content += held_;
  }
  held_.clear();
}

TurnDelta Turn::take_delta() {
  return std::exchange(delta_, {});
}

}  // namespace weft::chat
