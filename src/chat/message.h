// SPDX-License-Identifier: Apache-2.0
//
// Messages of a conversation, in OpenAI's form outside and in the form that chat templates expect
// inside: content is one text (parts of type text are joined with newlines; other kinds are
// refused), arguments of tool calls are values, not JSON inside a string, `developer` means
// `system`, and `reasoning` is another name for `reasoning_content`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace weft::chat {

struct ToolCall {
  std::string id;  // as the caller named it; empty for a call just generated
  std::string name;
  json::Value arguments;  // an object, or whatever single value the model wrote
};

struct Message {
  std::string role;  // system, user, assistant, tool
  std::optional<std::string> content = {};
  std::optional<std::string> reasoning = {};
  std::vector<ToolCall> tool_calls = {};
  std::string tool_call_id = {};  // of a tool's answer
  std::string name = {};
};

// E0740 names the message ("messages[2].content") and what was expected.
Result<std::vector<Message>> parse_messages(const json::Array& messages);

// Tells the model which JSON it should write: at the end of the first system message, or in one of
// its own. On one line, in the spelling of Python's json.dumps, which models know best.
void add_schema(std::vector<Message>& messages, const json::Value& schema);

// As templates read them; tool calls both wrapped in `function` and with `type`.
json::Value template_form(const Message& message);
// In OpenAI's form: {id, type, function: {name, arguments}}, arguments as a value.
json::Value openai_form(const ToolCall& call);

}  // namespace weft::chat
