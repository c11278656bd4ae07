// SPDX-License-Identifier: Apache-2.0
//
// Equality, order and membership of template values, as Python has them: numbers compare by value
// across int, float and bool, lists and maps by their members, text by code points. Chat templates
// rely on Python's answers for mixed types; workflow expressions ask for `strict`.
#pragma once

#include "text/jinja_value.h"

namespace weft::text::jinja {

struct CompareOptions {
  bool strict = false;  // values of different types: an error instead of Python's answer
};
Result<bool> equal(Budget& budget, const Value& a, const Value& b, CompareOptions options = {});
// -1, 0, 1; refuses what Python refuses. NaN compares as unordered: `unordered` is set.
Result<int> order(Budget& budget, const Value& a, const Value& b, bool* unordered = nullptr);
Result<bool> contains(Budget& budget, const Value& container, const Value& item);

}  // namespace weft::text::jinja
