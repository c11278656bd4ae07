// SPDX-License-Identifier: Apache-2.0
//
// Regular expressions of `pattern` and `patternProperties`: the dialect of ECMA-262 with the flag
// `u`, translated to PCRE2 where the two differ (white space of \s, line ends of '.', the end of
// '$', \uXXXX, \p{Long_Names}, '[' inside a class). What ECMA-262 does not have (possessive
// quantifiers, (?i), \A, \Q) is refused, not silently understood in another way.
//
// Matching is an unanchored search with a bounded amount of work, so that no pattern can hang the
// process; running out is a result of its own. PCRE2's own limit starts anew at every character, so
// the work is counted here: a step for every item of the pattern that is tried, and for characters
// run over. So who searches often can pay for what it has cost. Only regex.cc includes PCRE2.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace weft::schema {

class Regex {
 public:
  // E0304: not a valid pattern, or one that PCRE2 cannot take. Names the offset.
  static Result<Regex> compile(std::string_view pattern);

  enum class Match { kNo, kYes, kTooMuchWork };
  // `text` is valid UTF-8 (else kNo). Safe from several threads.
  Match search(std::string_view text) const { return searched(text).match; }
  struct Search {
    Match match;
    size_t steps;  // some tens of nanoseconds each
  };
  Search searched(std::string_view text) const;

  const std::string& source() const { return source_; }

 private:
  Regex() = default;
  std::string source_;
  std::shared_ptr<const void> code_;  // pcre2_code, shared by copies
  bool counted_ = true;               // the code tells of its steps
};

// The PCRE2 form of an ECMA-262 pattern. Declared for tests. E0304.
Result<std::string> pcre_pattern(std::string_view pattern);

}  // namespace weft::schema
