// SPDX-License-Identifier: Apache-2.0
#include "chat/spaced_json.h"

#include "base/json.h"

namespace weft::chat {

std::string spaced_json(std::string_view text) {
  const auto parsed = json::parse(text);
  if (!parsed.ok() || !(parsed->is_object() || parsed->is_array())) return std::string(text);
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  bool in_string = false;
  bool escaped = false;
  for (const char c : text) {
    if (in_string) {
      in_string = c != '"' || escaped;
      escaped = c == '\\' && !escaped;
      out += c;
      continue;
    }
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') continue;
    in_string = c == '"';
    out += c;
    if (c == ',' || c == ':') out += ' ';
  }
  return out;
}

void space_tool_results(std::vector<Message>& messages) {
  for (Message& message : messages) {
    if (message.role == "tool" && message.content) message.content = spaced_json(*message.content);
  }
}

}  // namespace weft::chat
