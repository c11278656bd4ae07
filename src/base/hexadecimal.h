// SPDX-License-Identifier: Apache-2.0
//
// Hexadecimal digits as a number: what escapes in patterns and grammars say. Both cases of letters,
// no prefix, no sign. How many digits an escape has is its reader's business.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace weft {

// Nothing unless all of `digits`, one to eight, are hexadecimal.
inline std::optional<uint32_t> hexadecimal(std::string_view digits) {
  if (digits.empty() || digits.size() > 8) return std::nullopt;
  uint32_t value = 0;
  for (const char c : digits) {
    const char lower = static_cast<char>(c | 0x20);
    const bool letter = lower >= 'a' && lower <= 'f';
    if (!letter && (c < '0' || c > '9')) return std::nullopt;
    value = value << 4 | static_cast<uint32_t>(letter ? lower - 'a' + 10 : c - '0');
  }
  return value;
}

}  // namespace weft
