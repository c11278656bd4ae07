// SPDX-License-Identifier: Apache-2.0
// The first byte chooses header and separator, the rest is CSV: it parses or says where it does
// not; what parsed, written again with every field quoted, parses to the same.
// sources: src/worker/csv.cc
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "worker/csv.h"

namespace {

using namespace weft;

void append_record(std::string& out, const json::Array& fields, char separator) {
  for (size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) out += separator;
    out += '"';
    for (const char c : fields[i].as_string()) {
      if (c == '"') out += '"';
      out += c;
    }
    out += '"';
  }
  out += '\n';
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  worker::CsvOptions options;
  options.header = (data[0] & 1) != 0;
  options.separator = (data[0] & 2) != 0 ? ';' : ',';
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto rows = worker::parse_csv(text, options);
  if (!rows.ok()) {
    CHECK(rows.error().code == "E0605" && rows.error().message.find("line") != std::string::npos);
    return 0;
  }
  if (options.header) return 0;
  std::string again;
  for (const json::Value& row : *rows) append_record(again, row.as_array(), options.separator);
  const auto twice = worker::parse_csv(again, options);
  // A record of one empty field looks like an empty line when it is not quoted: both are left out.
  CHECK(twice.ok() && *twice == *rows, "{}", again);
  return 0;
}
