// SPDX-License-Identifier: Apache-2.0
#include "text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <utility>

#include "base/strings.h"
#include "text/unicode.h"

namespace weft::text {
namespace {

constexpr size_t kExpressionBytesMax = 10'000;
constexpr uint32_t kMatchLimit = 1'000'000;  // steps of backtracking at one position
constexpr uint32_t kHeapLimitKib = 65'536;   // of the interpreter

struct Free {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

}  // namespace

struct Regex::Code {
  std::unique_ptr<pcre2_code, Free> code;
};

struct RegexMatches::State {
  std::unique_ptr<pcre2_match_data, Free> data;
  std::unique_ptr<pcre2_match_context, Free> context;
};

Result<Regex> Regex::compile(std::string_view expression) {
  if (expression.size() > kExpressionBytesMax) {
    return make_error("E0102", fmt::format("regular expression has {} bytes, at most {} are taken",
                                           expression.size(), kExpressionBytesMax));
  }
  int code_number = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code = pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(expression.data()), expression.size(),
      PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &code_number, &offset, nullptr);
  if (code == nullptr) {
    PCRE2_UCHAR message[200] = {};
    pcre2_get_error_message(code_number, message, sizeof message);
    return make_error("E0102",
                      fmt::format("regular expression {} is not understood at offset {}: {}",
                                  quoted(expression), offset,
                                  reinterpret_cast<const char*>(message)),
                      "expressions are read by PCRE2 with Unicode classes");
  }
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // without JIT, pcre2_match interprets
  Regex regex;
  regex.code_ = std::make_shared<const Code>(Code{std::unique_ptr<pcre2_code, Free>(code)});
  return regex;
}

RegexMatches::RegexMatches(const Regex& regex, std::string_view text)
    : regex_(regex), text_(text), state_(std::make_unique<State>()) {
  state_->data.reset(pcre2_match_data_create_from_pattern(regex.code_->code.get(), nullptr));
  state_->context.reset(pcre2_match_context_create(nullptr));
  CHECK(state_->data && state_->context, "out of memory");
  pcre2_set_match_limit(state_->context.get(), kMatchLimit);
  pcre2_set_heap_limit(state_->context.get(), kHeapLimitKib);
}

RegexMatches::~RegexMatches() = default;

std::optional<ByteRange> RegexMatches::next() {
  while (!gave_up_ && at_ < text_.size()) {
    const auto match_with = [this](uint32_t options) {
      return pcre2_match(regex_.code_->code.get(), reinterpret_cast<PCRE2_SPTR>(text_.data()),
                         text_.size(), at_, PCRE2_NO_UTF_CHECK | options, state_->data.get(),
                         state_->context.get());
    };
    int found = match_with(0);
    // JIT code has 32 KiB of stack; the interpreter takes from the heap what it needs beyond.
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) found = match_with(PCRE2_NO_JIT);
    if (found == PCRE2_ERROR_NOMATCH) {
      at_ = text_.size();
      return std::nullopt;
    }
    if (found < 0) {
      gave_up_ = true;
      return std::nullopt;
    }
    const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(state_->data.get());
    const ByteRange match{offsets[0], offsets[1]};
    // \K in a lookaround can report an end before the start, or a start already passed.
    if (match.end > match.begin && match.begin >= at_) {
      at_ = match.end;
      return match;
    }
    const size_t from = match.begin > at_ ? match.begin : at_;
    if (from >= text_.size()) return std::nullopt;
    at_ = from + utf8_char(text_.data() + from).bytes;
  }
  return std::nullopt;
}

}  // namespace weft::text
