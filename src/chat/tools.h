// SPDX-License-Identifier: Apache-2.0
//
// The tools a caller offers, in OpenAI's form, and the grammar of a call: exactly the offered
// names, arguments that are valid against the tool's own schema. A call that is not on offer, or
// whose arguments do not fit, is not rejected: it cannot be written.
//
// Who may call and how often (tool_choice, parallel calls) is the turn's business (chat/turn.h).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace weft::chat {

struct Tool {
  std::string name;
  json::Object parameters;  // a JSON Schema that says `type: object`
};

// {type: function, function: {name, parameters?, …}} or the function alone. E0744 names the place
// ("tools[1].function.name: …"); two tools of one name are an error too.
Result<std::vector<Tool>> parse_tools(const json::Array& tools);

const Tool* find_tool(const std::vector<Tool>& tools, std::string_view name);

// Whether a parameter is text and nothing else, so that XML calls write it without quotes.
bool parameter_is_text(const Tool& tool, std::string_view parameter);

struct ToolChoice {
  enum class Mode { kAuto, kNone, kRequired } mode = Mode::kAuto;
  std::string name;  // with kRequired: only this tool; empty: any
};
// OpenAI's tool_choice: "auto", "none", "required", {type: function, function: {name}} or
// {type: function, name}; null: auto. E0744, also for a tool that is not offered.
Result<ToolChoice> parse_tool_choice(const json::Value& choice, const std::vector<Tool>& tools);

}  // namespace weft::chat
