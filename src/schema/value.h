// SPDX-License-Identifier: Apache-2.0
//
// JSON values compared as JSON Schema compares them: numbers by value (1, 1.0 and 1e0 are one
// number), objects without order. Integers are compared exactly with doubles, and `multipleOf` is
// judged on the decimal digits that people wrote (0.3 is a multiple of 0.1), not on binary
// remainders. Recursion is bounded by the depth of the values, which the caller has bounded.
#pragma once

#include <cstddef>

#include "base/json.h"

namespace weft::schema {

bool is_number(const json::Value& value);
// 1, 1.0, 1e300: finite and without a fraction.
bool is_integer(const json::Value& value);

// -1, 0, 1. Both are numbers.
int compare_numbers(const json::Value& a, const json::Value& b);

// Whether value / divisor is an integer; both are numbers, divisor > 0.
bool is_multiple(const json::Value& value, const json::Value& divisor);

bool equal(const json::Value& a, const json::Value& b);
// Equal values have equal hashes.
size_t hash_of(const json::Value& value);

// Whether containers nest deeper than `depth_max` levels ([] is one level). Needs no stack itself:
// this is the door behind which recursion over a value is safe.
bool deeper_than(const json::Value& value, size_t depth_max);

// About how many bytes the value takes: its texts, its keys and 16 for each value in it. For
// limits on what is copied; any depth.
size_t weight(const json::Value& value);

// The value as a message may show it: scalars as JSON, cut; containers by kind and size.
std::string brief(const json::Value& value);

}  // namespace weft::schema
