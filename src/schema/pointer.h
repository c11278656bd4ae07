// SPDX-License-Identifier: Apache-2.0
//
// JSON Pointer (RFC 6901): "/steps/0/id" names one place inside a JSON value; "" is the whole
// value; "~1" stands for '/', "~0" for '~'. Used for places in schemas and instances, and by
// whoever wants to name a part of a document. No relative pointers, no "-" (append) form.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace weft::schema {

// The steps of a pointer, unescaped. E0305: it does not begin with '/', or a '~' is not followed
// by 0 or 1.
Result<std::vector<std::string>> parse_pointer(std::string_view pointer);

// Appends "/" and the escaped step.
void append_step(std::string& pointer, std::string_view step);

// The index that an array step names: digits without leading zero, at most 9 of them.
bool array_index(std::string_view step, size_t& index);

// The value that `pointer` names inside `root`; it lives as long as `root`. E0305 with the longest
// prefix that exists.
Result<const json::Value*> find(const json::Value& root, std::string_view pointer);

}  // namespace weft::schema
