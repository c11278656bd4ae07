// SPDX-License-Identifier: Apache-2.0
// Any bytes as a text to redact: it ends, and in JSON no quote, escape or line is lost or added.
// sources: src/security/redaction.cc
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "security/redaction.h"

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
  if (!text.empty()) (void)weft::security::check_pattern(text);
  return 0;
}
