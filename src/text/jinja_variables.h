// SPDX-License-Identifier: Apache-2.0
//
// What stands behind the class Variables: names and values in order, and the JSON that some of the
// values wrap. Also the reader that makes values of JSON text without losing integers beyond 64
// bits.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja_value.h"

namespace weft::text::jinja {

struct VariableTable {
  std::vector<std::pair<std::string, Value>> entries;
  std::vector<std::shared_ptr<const json::Value>> owned;
  void set(std::string_view name, Value value);
};

// A value of its own, wrapping nothing. All strings count as data. Duplicate keys are an error.
Result<Value> value_of_json_text(std::string_view text);

}  // namespace weft::text::jinja
