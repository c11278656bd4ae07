// SPDX-License-Identifier: Apache-2.0
//
// The tables behind filters, tests, methods and functions: a name, the function, the names of its
// parameters in order. An entry without parameters takes none, unless it is `free_form` and reads
// the arguments itself.
#pragma once

#include <span>
#include <string_view>

#include "text/jinja_session.h"

namespace weft::text::jinja {

struct Entry {
  std::string_view name;
  Result<Value> (*function)(const Call& call);
  Parameters parameters{};
  bool free_form = false;
};

std::span<const Entry> text_filters();
std::span<const Entry> list_filters();
std::span<const Entry> value_filters();

const Entry* find_entry(std::span<const Entry> table, std::string_view name);
// Binds the arguments and calls. `what` is "filter", "method", …
Result<Value> call_entry(const Entry& entry, std::string_view what, Session& session,
                         const Value& self, const Arguments& arguments);

}  // namespace weft::text::jinja
