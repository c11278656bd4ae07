// SPDX-License-Identifier: Apache-2.0
//
// Members of values: value.name, value[key], value[a:b:c], and arithmetic. A member that is not
// there is an undefined value that remembers what was looked for; what happens to it is decided
// by whoever uses it.
#pragma once

#include <optional>
#include <string_view>

#include "text/jinja_session.h"
#include "text/jinja_tree.h"

namespace weft::text::jinja {

// `path` is how the source writes the member, for messages.
Result<Value> attribute_of(const Value& value, std::string_view name, std::string_view path);
Result<Value> subscript_of(const Value& value, const Value& key, std::string_view path);

struct SliceBounds {
  std::optional<int64_t> start, stop, step;
};
Result<Value> slice_of(Session& session, const Value& value, const SliceBounds& bounds);

// a + b and so on, as Python; integers stay in 64 bits. Strict: booleans are not numbers.
Result<Value> arithmetic(Session& session, Op op, const Value& a, const Value& b);
Result<Value> negated(const Value& value);

// "a.b.c" from the subject on: map(attribute=…), sort(attribute=…).
Result<Value> attribute_path(const Value& value, const Value& path);

}  // namespace weft::text::jinja
