// SPDX-License-Identifier: Apache-2.0
//
// Values as text: Python's str() and repr(), and json.dumps. In all three the bytes of strings keep
// their marks; what the writer adds (quotes, brackets, digits) counts as data, the safe side: a
// control token is recognised only in what a template spells out.
#pragma once

#include "text/jinja_value.h"

namespace weft::text::jinja {

// Python's str(); list and dict print as Python's repr.
Result<MarkedText> text_of(Budget& budget, const Value& value);
Result<MarkedText> repr_of(Budget& budget, const Value& value);

struct JsonOptions {
  bool ascii_only = false;
  bool sort_keys = false;
  int indent = -1;
  std::string_view item_separator = ", ";
  std::string_view key_separator = ": ";
};
// Python's json.dumps. Marks of strings are kept; everything else counts as data.
Result<MarkedText> json_text(Budget& budget, const Value& value, const JsonOptions& options);

}  // namespace weft::text::jinja
