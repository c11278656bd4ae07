// SPDX-License-Identifier: Apache-2.0
// The first byte chooses: the text of a tool call in one of its forms, a request's words about
// thinking, tools and a choice of one. What is read as a call has a name; its markers are closed.
// covers: src/chat/call_text.cc src/chat/tools.cc src/text/thinking.cc
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "chat/call_text.h"
#include "chat/tools.h"
#include "text/thinking.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 4 < 3) {
    static const auto tools = chat::parse_tools(json::parse(
        R"([{"name": "f", "parameters": {"properties": {"a": {"type": "string"}, "b": {}}}}])")
        .value().as_array()).value();
    const auto format = static_cast<chat::CallFormat>(data[0] % 4);
    const auto call = chat::parse_call(format, text, tools);
    (void)chat::inside_value(format, text);
    CHECK(!call || !call->name.empty());
    return 0;
  }
  const auto value = json::parse(text, {.depth_max = 32, .bytes_max = size});
  if (!value.ok()) return 0;
  if (value->is_array()) {
    const auto tools = chat::parse_tools(value->get_array());
    CHECK(tools.ok() || tools.error().code == "E0744");
    return 0;
  }
  (void)chat::parse_tool_choice(*value, {});
  if (!value->is_object()) return 0;
  const auto thinking = weft::text::parse_thinking(value->get_object());
  CHECK(thinking.ok() || thinking.error().code == "E0743");
  if (thinking.ok() && thinking->budget_tokens) CHECK(*thinking->budget_tokens >= 0);
  return 0;
}
