// SPDX-License-Identifier: Apache-2.0
//
// How JSON writes strings and numbers, as automata over bytes.
//
// Strings whose content is constrained (pattern, format, keys) are written in one way only, the
// canonical escapes of base/json, so that text and content correspond one to one. Free strings may
// use every legal escape, surrogate pairs included, because models do.
//
// Numbers are bounded in size, so that what is written is what is read: integers have at most 18
// digits; other numbers at most 15 before the point, 15 behind it and exponents of two digits, and
// where bounds or multiples are asked for, 15 digits in all and no exponent. (15 decimal digits
// survive the way through a double, so text and number compare alike.)
#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "grammar/regex.h"
#include "grammar/rules.h"

namespace weft::grammar {

// Every text of `text`, as a JSON string. E0323.
Dfa quoted_text(const Dfa& text);

// The rule becomes: any JSON string of min..max characters (code points).
void free_string(Rules& rules, RuleId rule, uint32_t min, uint32_t max);
// The rule becomes: any JSON string of so many of these characters, escaped as in quoted_text().
// Masks of all numbers of characters are made from one walk, as for free strings. E0323.
Status repeated_string(Rules& rules, RuleId rule, const Repetition& repetition);

struct NumberBound {
  const json::Value* limit = nullptr;  // a number
  bool lower = true;                   // else upper
  bool strict = false;
};
struct NumberLanguage {
  bool integers_only = false;
  std::vector<NumberBound> bounds;
  std::vector<const json::Value*> multiples;  // of each of these numbers, all > 0
};
// E0323: bounds or divisors with too many digits.
Result<Dfa> number_text(const NumberLanguage& language);

}  // namespace weft::grammar
