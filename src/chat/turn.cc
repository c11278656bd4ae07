// SPDX-License-Identifier: Apache-2.0
#include "chat/turn.h"

#include <algorithm>

#include "base/strings.h"
#include "text/thinking.h"

namespace weft::chat {

using grammar::Ending;
using grammar::Haste;
using grammar::TokenMask;
using grammar::Verdict;
using text::TokenId;

namespace {

// What a turn leaves for an answer without a grammar: enough for a short one.
constexpr int64_t kAnswerReserve = 64;

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

void forbid(TokenMask& mask, std::optional<TokenId> id) {
  if (id && static_cast<size_t>(*id) < mask.size()) mask.forbid(*id);
}
void allow(TokenMask& mask, std::optional<TokenId> id) {
  if (id && static_cast<size_t>(*id) < mask.size()) mask.allow(*id);
}

}  // namespace

Turn::Turn(text::Tokenizer tokenizer, Dialect dialect, TurnOptions options)
    : tokenizer_(std::move(tokenizer)),
      dialect_(std::move(dialect)),
      options_(std::move(options)),
      decoder_(tokenizer_),
      reader_(dialect_.call_format, 0, false) {
  CHECK(!options_.thinking_budget || *options_.thinking_budget >= 0);
  CHECK(!options_.tokens_max || *options_.tokens_max >= 0);
  std::erase(options_.stop, std::string());
}

Result<std::unique_ptr<Turn>> Turn::create(text::Tokenizer tokenizer, Dialect dialect,
                                           std::span<const TokenId> prompt, TurnOptions options) {
  std::unique_ptr<Turn> turn(
      new Turn(std::move(tokenizer), std::move(dialect), std::move(options)));
  turn->start_from(prompt);
  TRY(turn->reserve());
  return turn;
}

// The last marker of the prompt's last turn says where the model stands: templates open the
// reasoning block themselves, or open and close it, or leave it to the model. Reading the rendered
// tokens covers all three; asking the template's options would need to know every template.
void Turn::start_from(std::span<const TokenId> prompt) {
  if (!dialect_.think_text_open.empty()) {
    size_t begin = prompt.size();
    while (begin > 0 && !is_one_of(prompt[begin - 1], dialect_.turn_starts)) --begin;
    const std::string text = tokenizer_.decode(prompt.subspan(begin));
    const size_t open = text.rfind(dialect_.think_text_open);
    if (open == text.npos) return;
    if (text.find(dialect_.think_text_close, open) == text.npos) return open_reasoning();
    state_ = State::kAnswer;
    closed_once_ = true;
    return;
  }
  if (!dialect_.think_open) return;
  for (auto id = prompt.rbegin(); id != prompt.rend(); ++id) {
    if (is_one_of(*id, dialect_.turn_starts)) return;
    if (*id == *dialect_.think_close) {
      state_ = State::kAnswer;
      closed_once_ = true;
      return;
    }
    if (*id == *dialect_.think_open) return open_reasoning();
  }
}

// Tokens without which the turn would have no answer.
int64_t Turn::answer_min() const {
  const int64_t call =
      options_.calls.grammar ? int64_t{options_.calls.grammar->fewest_tokens()} + 2 : 0;
  if (options_.calls.choice == ToolChoice::Mode::kRequired) return std::max<int64_t>(call, 2);
  if (options_.answer) return options_.answer->fewest_tokens();
  return std::min(kAnswerReserve, std::max<int64_t>(1, options_.tokens_max.value_or(0) / 2));
}

// Cuts the reasoning budget to what leaves the answer its tokens, and refuses what cannot fit.
Status Turn::reserve() {
  if (!dialect_.can_think()) options_.thinking_budget = 0;
  const bool must_answer =
      options_.answer || options_.calls.choice == ToolChoice::Mode::kRequired;
  const auto close = static_cast<int64_t>(dialect_.close_text.size());
  if (options_.tokens_max) {
    const int64_t limit = text::thinking_limit(*options_.tokens_max, answer_min(), close);
    options_.thinking_budget = std::min(options_.thinking_budget.value_or(limit), limit);
    const int64_t needed = answer_min() + (state_ == State::kReasoning ? close : 0);
    if (must_answer && needed > *options_.tokens_max) {
      return make_error(
          "E0326",
          fmt::format("{} tokens for the whole turn, but its shortest form has {}{}",
                      *options_.tokens_max, needed,
                      state_ == State::kReasoning
                          ? fmt::format(" ({} to end the reasoning that the prompt begins)", close)
                          : ""),
          fmt::format("raise max_tokens to at least {}, or ask for less", needed));
    }
  }
  if (options_.answer) {
    grammar::MatcherOptions matcher;
    matcher.ends = dialect_.stops;
    matcher.ends.insert(matcher.ends.end(), options_.stop_ids.begin(), options_.stop_ids.end());
    matcher.tokens_left = options_.tokens_max;
    matcher.keeps_time = options_.keeps_time;
    answer_ = TRY(grammar::Matcher::create(options_.answer, std::move(matcher)));
  }
  if (state_ == State::kStart && !may_open_reasoning()) state_ = State::kAnswer;
  return ok_status();
}

std::optional<int64_t> Turn::tokens_left() const {
  if (!options_.tokens_max) return std::nullopt;
  return *options_.tokens_max - result_.reasoning_tokens - result_.answer_tokens;
}

bool Turn::is_stop(TokenId id) const {
  return is_one_of(id, dialect_.stops) || is_one_of(id, options_.stop_ids);
}

// -- what may come

std::optional<TokenId> Turn::forced() {
  if (finished_) return std::nullopt;
  if (forced_.empty() && state_ == State::kReasoning &&
      (block_.must_close(options_.thinking_budget) ||
       (haste_ != Haste::kGoOn && block_.may_close()))) {
    result_.budget_reached = true;
    forced_.assign(dialect_.close_text.begin(), dialect_.close_text.end());
  }
  if (!forced_.empty()) return forced_.front();
  if (state_ == State::kStart && options_.must_think && may_open_reasoning()) {
    return dialect_.think_open;
  }
  if (state_ == State::kAnswer) {
    begin_answer();
    if (call_needed()) return dialect_.call_open;
    if (answer_ && !may_open_call() && !only_calls()) return answer_->forced();
  }
  if (state_ == State::kToolCall && call_) {
    return call_->over() ? dialect_.call_close : call_->forced();
  }
  return std::nullopt;
}

bool Turn::wrap_up(Haste haste) {
  if (finished_ || haste <= haste_) return false;
  const bool first = haste_ == Haste::kGoOn;
  const bool held_to_form = state_ == State::kToolCall ? call_ != nullptr
                                                       : answer_ && result_.tool_calls.empty();
  const bool thought = state_ == State::kReasoning || haste == Haste::kAnswer;
  if (!thought && !held_to_form && !call_needed()) return false;
  haste_ = haste;
  if (first) words_left_ = kAnswerReserve;
  if (call_) return call_->wrap_up(haste);
  if (state_ == State::kReasoning) return true;
  options_.thinking_budget = 0;
  if (state_ == State::kStart) state_ = State::kAnswer;
  if (answer_ && !call_needed()) answer_->wrap_up(haste);
  return true;
}

bool Turn::may_think() const { return state_ == State::kReasoning || may_open_reasoning(); }

// What is left to write of the answer, or of the call.
Ending Turn::form_ending(Haste haste) {
  if (call_) {
    const Ending call = call_->ending(haste);
    return {call.passes, call.tokens + 1};
  }
  if (call_needed()) {  // it has not begun: no more is known than its length
    const auto tokens = static_cast<int>(answer_min());
    return {tokens, tokens};
  }
  if (answer_) return answer_->ending(haste);
  const bool words = haste == Haste::kAnswer;
  const auto count = static_cast<int>(words ? kAnswerReserve : 0);
  return {count, count};
}

Ending Turn::ending(Haste haste) {
  if (finished_ || haste == Haste::kGoOn) return {};
  // Without thought to end, an answer goes on as it is until it has to be the shortest.
  if (!may_think()) return form_ending(std::max(haste, Haste::kShortest));
  Ending all = form_ending(haste);
  if (state_ == State::kReasoning) all.tokens += static_cast<int>(dialect_.close_text.size());
  if (haste != Haste::kAtOnce || !answer_) ++all.passes;
  return all;
}

bool Turn::mask(TokenMask& mask) {
  switch (state_) {
    case State::kReasoning: return mask_reasoning(mask);
    case State::kToolCall: return mask_call(mask);
    case State::kStart:
    case State::kAnswer: return mask_answer(mask);
  }
  return false;
}

// A turn that must answer does not end inside its reasoning.
bool Turn::mask_reasoning(TokenMask& mask) {
  const bool must_answer = answer_ || call_needed();
  if (!must_answer) return false;
  for (const TokenId id : dialect_.stops) forbid(mask, id);
  for (const TokenId id : options_.stop_ids) forbid(mask, id);
  if (!dialect_.think_text_close.empty()) forbid_past_marker(mask);
  return true;
}

// Where the closing marker is text, a token may end it and go on. What goes on would be answer that
// no grammar has seen, so only line ends may.
void Turn::forbid_past_marker(TokenMask& mask) {
  const std::string& marker = dialect_.think_text_close;
  for (size_t done = 1; done <= std::min(marker_.size(), marker.size() - 1); ++done) {
    if (!marker_.ends_with(std::string_view(marker).substr(0, done))) continue;
    const std::string_view rest = std::string_view(marker).substr(done);
    for (size_t id = 0; id < std::min(mask.size(), tokenizer_.size()); ++id) {
      const std::string_view bytes = tokenizer_.token_bytes(static_cast<TokenId>(id));
      if (!bytes.starts_with(rest)) continue;
      if (!without_newlines(bytes.substr(rest.size())).empty()) {
        mask.forbid(static_cast<TokenId>(id));
      }
    }
  }
}

bool Turn::mask_answer(TokenMask& mask) {
  if (state_ == State::kAnswer) begin_answer();
  const bool may_think = may_open_reasoning() && (state_ == State::kStart || !answer_);
  if (only_calls()) {
    mask.clear();
    if (call_needed()) {
      allow(mask, dialect_.call_open);
    } else {
      mask_between_calls(mask);
    }
    if (may_think) allow(mask, dialect_.think_open);
    return true;
  }
  const bool may_call = may_open_call();
  if (answer_) {
    answer_->mask(mask);
    if (may_call) allow(mask, dialect_.call_open);
    if (may_think) allow(mask, dialect_.think_open);
    return true;
  }
  // Any text, but no markers out of their place.
  bool masked = false;
  if (!may_think && dialect_.think_open) {
    forbid(mask, dialect_.think_open);
    masked = true;
  }
  if (!may_call && dialect_.call_open) {
    forbid(mask, dialect_.call_open);
    masked = true;
  }
  return masked;
}

// Behind a call, where nothing but further calls may come: a line end, the next call, or the end.
void Turn::mask_between_calls(TokenMask& mask) {
  for (const TokenId id : dialect_.stops) allow(mask, id);
  for (const TokenId id : options_.stop_ids) allow(mask, id);
  if (!may_open_call()) return;
  allow(mask, dialect_.call_open);
  // One line end at most, and only if the call behind it would still fit.
  if (!line_ended_ && tokens_left().value_or(INT64_MAX) > answer_min()) {
    allow(mask, dialect_.newline);
  }
}

bool Turn::mask_call(TokenMask& mask) {
  if (!call_) return false;
  if (!call_->over()) return call_->mask(mask);
  mask.clear();
  allow(mask, dialect_.call_close);
  return true;
}

// -- what came

Verdict Turn::on_token(TokenId id) {
  CHECK(!finished_);
  const bool was_forced = !forced_.empty();
  if (was_forced) {
    CHECK(id == forced_.front(), "token {} came where {} was forced", id, forced_.front());
    forced_.pop_front();
  }
  if (is_stop(id)) {
    (state_ == State::kReasoning ? result_.reasoning_tokens : result_.answer_tokens) += 1;
    return stop();
  }
  switch (state_) {
    case State::kReasoning:
      reasoning_token(id);
      return Verdict::kContinue;
    case State::kToolCall:
      ++result_.answer_tokens;
      return call_token(id) ? stop() : Verdict::kContinue;
    case State::kStart:
    case State::kAnswer:
      break;
  }
  if (id == dialect_.think_open && may_open_reasoning()) {
    add_content(decoder_.flush());
    release_held();
    open_reasoning();
    ++result_.reasoning_tokens;
    return Verdict::kContinue;
  }
  state_ = State::kAnswer;
  if (!was_forced) begin_answer();
  ++result_.answer_tokens;
  if (answer_token(id, was_forced)) return stop();
  const bool free_text = state_ == State::kAnswer && !answer_ && !call_needed();
  return haste_ != Haste::kGoOn && free_text && --words_left_ <= 0 ? stop() : Verdict::kContinue;
}

Verdict Turn::stop() {
  result_.stopped = true;
  finish();
  return Verdict::kStop;
}

// -- reasoning

// Before the answer has begun, if anything may be thought; never a second time.
bool Turn::may_open_reasoning() const {
  if (!dialect_.think_open || state_ == State::kReasoning || closed_once_) return false;
  return options_.thinking_budget != 0;
}

void Turn::open_reasoning() {
  state_ = State::kReasoning;
  block_.open();
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

void Turn::reasoning_token(TokenId id) {
  ++result_.reasoning_tokens;
  if (dialect_.think_close && id == *dialect_.think_close) {
    block_.add_marker();
    close_reasoning();
    // A grammar has no room for the blank line that models write here: it is written for them.
    if (forced_.empty() && (answer_ || call_needed())) {
      forced_.assign(dialect_.after_close.begin(), dialect_.after_close.end());
    }
    return;
  }
  const std::string text = decoder_.push(id);
  block_.add(tokenizer_.token_bytes(id), text);
  if (dialect_.think_text_close.empty()) {
    add_reasoning(text);
  } else {
    // The marker's last token may have brought the blank line with it.
    const bool closed_bare = reasoning_text(text);
    if (closed_bare && forced_.empty() && (answer_ || call_needed())) {
      forced_.assign(dialect_.after_close.begin(), dialect_.after_close.end());
    }
  }
}

// Where the markers are text, they may begin and end inside tokens.
bool Turn::reasoning_text(std::string_view text) {
  marker_ += text;
  const size_t at = marker_.find(dialect_.think_text_close);
  if (at != marker_.npos) {
    const std::string rest = marker_.substr(at + dialect_.think_text_close.size());
    add_reasoning(std::string_view(marker_).substr(0, at));
    marker_.clear();
    close_reasoning();
    add_content(rest);
    return rest.empty();
  }
  const size_t kept = possible_stop(marker_, {dialect_.think_text_close});
  add_reasoning(std::string_view(marker_).substr(0, marker_.size() - kept));
  marker_.erase(0, marker_.size() - kept);
  return false;
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

// -- answer

// The first token of the answer comes next: its grammar learns what is left for it. From here on
// line ends belong to the answer, which has to be what the grammar says, byte for byte.
void Turn::begin_answer() {
  if (!answer_ || answer_begun_ || !forced_.empty()) return;
  answer_begun_ = true;
  skip_newlines_ = false;
  if (options_.tokens_max) {
    const Status fits = answer_->set_tokens_left(*tokens_left());
    CHECK(fits.ok(), "the reasoning has eaten the answer: {} tokens left", *tokens_left());
  }
  if (haste_ != Haste::kGoOn) answer_->wrap_up(haste_);
}

bool Turn::answer_token(TokenId id, bool was_forced) {
  if (options_.calls.choice != ToolChoice::Mode::kNone && id == dialect_.call_open) {
    open_call();
    return false;
  }
  // A stray marker is no text for the reader; what stands before it has been shown already.
  if (id == dialect_.think_close || id == dialect_.think_open) return false;
  const std::string text = decoder_.push(id);
  line_ended_ = text.ends_with('\n');
  if (add_content(text)) return true;
  // What the turn itself forced, the blank line behind </think>, is not the grammar's; nor are
  // line ends between calls.
  if (was_forced || !answer_ || only_calls()) return false;
  return answer_->on_token(id) == Verdict::kStop;
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
  show(std::string_view(held_).substr(0, shown));
  held_.erase(0, shown);
  return stops;
}

// What was held back turns out not to begin a stop text; newlines at its end are markup.
void Turn::release_held() {
  held_.resize(held_.size() - trailing_newlines(held_));
  show(held_);
  held_.clear();
}

// -- tool calls

bool Turn::call_needed() const {
  return options_.calls.choice == ToolChoice::Mode::kRequired && result_.tool_calls.empty() &&
         dialect_.call_open;
}

// Nothing but calls may come: one is required, or there was one instead of the answer that has a
// grammar of its own.
bool Turn::only_calls() const {
  if (options_.calls.choice == ToolChoice::Mode::kRequired) return dialect_.call_open.has_value();
  return answer_ && !result_.tool_calls.empty();
}

bool Turn::may_open_call() const {
  if (!dialect_.call_open || options_.calls.choice == ToolChoice::Mode::kNone) return false;
  if (haste_ >= Haste::kShortest && !call_needed()) return false;
  if (!options_.calls.parallel && !result_.tool_calls.empty()) return false;
  if (answer_ && answer_->begun()) return false;  // an answer is an answer to its end
  if (!options_.calls.grammar) return !answer_ || !options_.calls.tools.empty();
  const int64_t needed = int64_t{options_.calls.grammar->fewest_tokens()} + 2;  // the markers
  return tokens_left().value_or(INT64_MAX) >= needed;
}

void Turn::open_call() {
  add_content(decoder_.flush());
  release_held();
  reader_ = CallReader(dialect_.call_format, static_cast<int>(result_.calls.size()),
                       options_.calls.grammar != nullptr);
  state_ = State::kToolCall;
  if (!options_.calls.grammar) return;
  grammar::MatcherOptions matcher;
  matcher.ends = {*dialect_.call_close};
  if (const auto left = tokens_left()) matcher.tokens_left = *left - 1;  // the closing marker
  auto made = grammar::Matcher::create(options_.calls.grammar, std::move(matcher));
  CHECK(made.ok(), "a call was opened that cannot be finished");
  call_ = std::move(made).value();
  if (haste_ != Haste::kGoOn) call_->wrap_up(haste_);
}

bool Turn::call_token(TokenId id) {
  const bool closes = id == *dialect_.call_close && (call_ || !reader_.inside_value());
  if (!closes) {
    if (call_) call_->on_token(id);
    tell(reader_.add(decoder_.push(id), options_.calls.tools));
    return false;
  }
  tell(reader_.add(decoder_.flush(), options_.calls.tools));
  end_call(true);
  // Nothing can follow but the stop token, for which there may be no room.
  return haste_ >= Haste::kShortest || (only_calls() && !call_needed() && !may_open_call());
}

void Turn::tell(const std::optional<CallPiece>& piece) {
  if (!piece) return;
  append_piece(delta_.calls, *piece);
  append_piece(result_.calls, *piece);
}

void Turn::end_call(bool closed) {
  state_ = State::kAnswer;
  call_.reset();
  line_ended_ = false;
  if (auto whole = closed ? reader_.close(options_.calls.tools) : std::nullopt) {
    tell(whole->rest);
    result_.tool_calls.push_back(std::move(whole->call));
    skip_newlines_ = true;
    separate_ = !result_.content.empty();
  } else if (!reader_.begun()) {
    show(tokenizer_.token_bytes(*dialect_.call_open));
    show(reader_.text());
    if (closed) show(tokenizer_.token_bytes(*dialect_.call_close));
    skip_newlines_ = false;
  }
}

void Turn::finish() {
  if (finished_) return;
  finished_ = true;
  forced_.clear();
  if (state_ == State::kReasoning) {
    add_reasoning(marker_);
    add_reasoning(decoder_.flush());
  } else if (state_ == State::kToolCall) {
    tell(reader_.add(decoder_.flush(), options_.calls.tools));
    end_call(false);
  } else {
    add_content(decoder_.flush());
    // Newlines after a tool call are markup, others were meant.
    show(held_);
  }
  held_.clear();
}

TurnDelta Turn::take_delta() {
  return std::exchange(delta_, {});
}

}  // namespace weft::chat
