// SPDX-License-Identifier: Apache-2.0
//
// Base 64 (RFC 4648, section 4): the alphabet with + and /, padded with =. For bytes that must pass
// through JSON or headers.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weft {

std::string base64(std::string_view bytes);
// Nothing if it is no base 64: another character, a wrong length, bits left over.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace weft
