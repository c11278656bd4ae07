// SPDX-License-Identifier: Apache-2.0
//
// Regular expressions that a tokenizer brings along: PCRE2 with JIT, UTF and Unicode classes.
// The only unit of this module that knows PCRE2.
//
// Known differences from the engines these expressions were written for: \s also matches U+180E,
// and classes are those of PCRE2's Unicode (14.0 in 10.42). Work at one position is bounded: an
// expression that backtracks without end gives up instead of hanging.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "text/token.h"

namespace weft::text {

class Regex {
 public:
  // E0102 with PCRE2's message and the offset. Expressions above 10,000 bytes are refused.
  static Result<Regex> compile(std::string_view expression);

 private:
  friend class RegexMatches;
  struct Code;
  std::shared_ptr<const Code> code_;  // immutable; shared by all threads
};

// The matches of an expression in well-formed UTF-8, from left to right, not overlapping. Empty
// matches are passed over. For one thread.
class RegexMatches {
 public:
  RegexMatches(const Regex& regex, std::string_view text);
  ~RegexMatches();
  RegexMatches(const RegexMatches&) = delete;
  RegexMatches& operator=(const RegexMatches&) = delete;

  std::optional<ByteRange> next();
  bool gave_up() const { return gave_up_; }  // the bound was reached: there may be more matches

 private:
  struct State;
  const Regex& regex_;
  std::string_view text_;
  size_t at_ = 0;
  bool gave_up_ = false;
  std::unique_ptr<State> state_;
};

}  // namespace weft::text
