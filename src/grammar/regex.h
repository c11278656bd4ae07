// SPDX-License-Identifier: Apache-2.0
//
// Regular expressions as automata: the part of ECMA-262 (flag u) that describes a regular
// language. Groups, alternatives, classes, quantifiers (greedy or lazy is the same here), anchors
// anywhere, \d \w \s and their complements, \p{L} \p{N} and the cases of letters and digits.
//
// Refused (E0321, with the offset): look-around, back references, \b, other properties: they are
// not regular, or not known. The validator's own Regex (schema/regex) takes them; a grammar has to
// say what may come next, which is more than to judge what came.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "grammar/automaton.h"

namespace weft::grammar {

enum class Matching {
  kSearch,  // anywhere in the text, as `pattern` of JSON Schema
  kWhole,   // the whole text, as people expect of a grammar
};

// The texts (well-formed UTF-8) that match. E0321, E0323.
Result<Dfa> regex_language(std::string_view pattern, Matching matching);

// A pattern that says no more than which characters a whole text has and how many of them, as in
// ^[a-z_]{1,64}$ or ^.+$: then no automaton of as many states as characters is needed.
struct Repetition {
  CharRanges characters;
  uint32_t min = 0;
  uint32_t max = UINT32_MAX;  // UINT32_MAX: no bound
};
std::optional<Repetition> as_repetition(std::string_view pattern);

}  // namespace weft::grammar
