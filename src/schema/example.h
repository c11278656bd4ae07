// SPDX-License-Identifier: Apache-2.0
//
// A small value that fits a schema: what a dry run begins with where nobody gave an input, and what
// it answers a signal with. It takes what the schema itself offers (const, default, examples, enum)
// and else the plainest value of the type: required members only, the shortest lists, texts that
// say what they are an example of.
//
// No solver: patterns, `not` and bounds that contradict each other are beyond it. What it makes is
// judged by the validator before it is given, so it is right or it is an error. Pure.
#pragma once

#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace weft::schema {

// `name` of what it is for, used in texts. E0310: no example was found, and why the one that was
// tried does not fit; errors of Schema::parse.
Result<json::Value> example_of(const json::Value& schema, std::string_view name = "");

}  // namespace weft::schema
