// SPDX-License-Identifier: Apache-2.0
//
// Whether tool calls are among those that a case accepts. The one idea: for each argument a list of
// values that are right, as in the Berkeley Function Calling Leaderboard (Patil et al., 2025). The
// rules are the leaderboard's, so that its cases give its scores:
//
//   {"name": "area", "arguments": {"base": [10], "unit": ["cm", "centimetre", ""]}}
//
// * An empty text among the values: the argument may be missing. No argument may be added.
// * Texts are equal if they differ only in case, spaces and the marks , . / - _ * ^ (and ' is ").
// * Numbers are equal as numbers. Lists are equal element by element.
// * An object as a value says again, for each member, which values are right.
// * Several calls may come in any order; each expected one takes the first that it accepts.
#pragma once

#include "base/error.h"
#include "base/json.h"

namespace weft::eval {

// What a case accepts is a list of {"name", "arguments": {NAME: [value, …]}}; else E0920.
Status check_accepted_calls(const json::Value& accepted);

// `calls` in OpenAI's form, `accepted` as checked. Pure; depth is bounded by that of parsed JSON.
bool calls_accepted(const json::Array& accepted, const json::Array& calls);

// The names alone, in any order.
bool call_names_accepted(const json::Array& accepted, const json::Array& calls);

// The name of a call in OpenAI's form; "(none)" if it has none.
std::string called_name(const json::Value& call);

}  // namespace weft::eval
