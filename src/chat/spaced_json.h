// SPDX-License-Identifier: Apache-2.0
//
// The white space of JSON that tools return. A small model trained on JSON as Python's json.dumps
// writes it ("a": 1, "b": 2) misreads what JSON.stringify writes ("a":1,"b":2): the tokens differ.
// Only white space between the tokens of JSON changes; numbers and strings stay byte for byte.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "chat/message.h"

namespace weft::chat {

// `text` with one space behind each comma and colon and none elsewhere, outside of strings. Text
// that is no JSON object or array as a whole, or names a key twice, comes back as it was.
std::string spaced_json(std::string_view text);

// The contents of all tool messages, so.
void space_tool_results(std::vector<Message>& messages);

}  // namespace weft::chat
