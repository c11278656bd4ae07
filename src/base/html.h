// SPDX-License-Identifier: Apache-2.0
//
// Text in HTML: what browsers would take for markup is written as they show it. Good between tags
// and in quoted attributes; not in scripts, styles or addresses, where other rules hold.
#pragma once

#include <string>
#include <string_view>

namespace weft {

// & < > " ' as entities; a zero byte, which HTML forbids, as U+FFFD.
std::string html_text(std::string_view text);

}  // namespace weft
