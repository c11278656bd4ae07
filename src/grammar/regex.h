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

#include <string_view>

#include "grammar/automaton.h"

namespace weft::grammar {

enum class Matching {
  kSearch,  // anywhere in the text, as `pattern` of JSON Schema
  kWhole,   // the whole text, as people expect of a grammar
};

// The texts (well-formed UTF-8) that match. E0321, E0323.
Result<Dfa> regex_language(std::string_view pattern, Matching matching);

}  // namespace weft::grammar
