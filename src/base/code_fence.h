// SPDX-License-Identifier: Apache-2.0
//
// Models like to wrap an answer in a Markdown code block. Whoever wants the answer takes what
// stands inside; a text that is not wholly one block is left as it is. No parser of Markdown.
#pragma once

#include <string_view>

namespace weft {

// The trimmed inside of the one code block that `text` consists of, else the trimmed text.
std::string_view without_code_fence(std::string_view text);

}  // namespace weft
