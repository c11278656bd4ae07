// SPDX-License-Identifier: Apache-2.0
#include "base/code_fence.h"

#include "base/strings.h"

namespace weft {

std::string_view without_code_fence(std::string_view text) {
  text = trim(text);
  const size_t line = text.find('\n');
  if (!text.starts_with("```") || !text.ends_with("```") || line == std::string_view::npos) {
    return text;
  }
  text.remove_suffix(3);
  return trim(text.substr(line + 1));
}

}  // namespace weft
