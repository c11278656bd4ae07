// SPDX-License-Identifier: Apache-2.0
//
// Grammars that people write, in the notation of llama.cpp's GBNF:
//
//   root   ::= "yes" | "no" (" " reason)?      # comment
//   reason ::= [a-z ]{3,40} | "\"" [^"]* "\""
//
// Literals and classes with escapes (\n \t \r \\ \" \xHH \uHHHH), rule names, groups, alternatives,
// ? * + {m} {m,} {m,n}, and '.' for any character. The first rule to run is `root`. A rule goes on
// over line ends inside parentheses or when the next line is not a rule. E0322 with line and
// column; left recursion is refused. Repetitions are unrolled, so they are bounded.
#pragma once

#include <string_view>

#include "grammar/rules.h"

namespace weft::grammar {

Result<Rules> ebnf_rules(std::string_view source);

}  // namespace weft::grammar
