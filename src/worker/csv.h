// SPDX-License-Identifier: Apache-2.0
//
// CSV as RFC 4180 has it: fields separated by one character, records by LF or CRLF, quotes around
// fields that hold either, a quote inside doubled. Every field is text; nothing guesses numbers.
// Bounded: rows and columns have limits. E0605 names the line.
#pragma once

#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace weft::worker {

struct CsvOptions {
  char separator = ',';
  bool header = true;           // first record names the columns: rows become objects, else lists
  size_t rows_max = 1'000'000;
  size_t columns_max = 10'000;
};

// A list of objects (header) or of lists. With a header every record has as many fields.
Result<json::Array> parse_csv(std::string_view text, const CsvOptions& options = {});

}  // namespace weft::worker
