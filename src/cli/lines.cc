// SPDX-License-Identifier: Apache-2.0
#include "cli/lines.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/strings.h"

namespace weft::cli {

InputLines::~InputLines() { ::free(buffer_); }

bool InputLines::next(std::string_view& line) {
  for (;;) {
    const ssize_t size = ::getline(&buffer_, &capacity_, stdin);
    if (size < 0) return false;
    line = trim({buffer_, static_cast<size_t>(size)});
    if (!line.empty()) return true;
  }
}

std::string field_line(std::string_view field, std::string_view text) {
  std::string out = "{";
  json::append_quoted(out, field);
  out += ':';
  json::append_quoted(out, text);
  return out + "}";
}

}  // namespace weft::cli
