// SPDX-License-Identifier: Apache-2.0
// Any bytes as a text to redact: it ends, and in JSON no quote, escape or line is lost or added. In
// pieces, whatever they are, it comes out as at once.
// sources: src/security/redaction.cc src/security/stream_redactor.cc
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "security/redaction.h"
#include "security/stream_redactor.h"

namespace {

std::string piece_by_piece(std::string_view text, const weft::security::Redaction& rules,
                           bool json, size_t size) {
  weft::security::StreamRedactor redactor(rules, json);
  std::string out;
  while (!text.empty()) {
    out += redactor.add(text.substr(0, size));
    text.remove_prefix(std::min(size, text.size()));
  }
  return out + redactor.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const weft::security::Redaction rules{true, true, true, true, {"EMP-#####"}};
  const std::string once = weft::security::redacted(text, rules);
  CHECK(once.size() <= size * 5 + 64);
  const std::string as_json = weft::security::redacted_json(text, rules);
  const auto marks = [](std::string_view of, char c) {
    return std::count(of.begin(), of.end(), c);
  };
  for (const char c : {'"', '\\', '\n'}) CHECK(marks(text, c) == marks(as_json, c));
  for (const size_t piece : {1, 2, 3, 7, 64}) {
    CHECK(piece_by_piece(text, rules, false, piece) == once);
    CHECK(piece_by_piece(text, rules, true, piece) ==
          piece_by_piece(text, rules, true, text.size() + 1));
  }
  if (!text.empty()) (void)weft::security::check_pattern(text);
  return 0;
}
