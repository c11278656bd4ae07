// SPDX-License-Identifier: Apache-2.0
//
// Tools: functions in OpenAI's form that a model (or a person, `weft tools call`) may call. A tool
// is a step that is not part of the graph: a declared one renders its step's parameters from the
// arguments (workflow::ToolDefinition), a built-in one hands its arguments to a step type as they
// are. So what holds for steps holds for tools: guards, limits, effect classes.
//
// Names of the built-in ones: api_client, database, file_processor, notification, shell.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "worker/step_type.h"
#include "workflow/definition.h"

namespace weft::worker {

struct Tool {
  std::string name;
  std::string description;
  json::Value parameters;                  // JSON Schema of an object
  const StepType* type = nullptr;
  const workflow::ToolDefinition* definition = nullptr;  // null: built in
};

std::vector<Tool> builtin_tools();
// Those that the workflow declares (which must outlive them), then the built-in ones that it does
// not declare anew.
std::vector<Tool> tools_of(const workflow::Workflow& workflow);
// E0625: there is no tool of that name.
Result<Tool> find_tool(const workflow::Workflow& workflow, std::string_view name);

// {type: function, function: {name, description, parameters}}.
json::Object openai_form(const Tool& tool);

// One call, ready to begin: `context` is that of whoever calls, with an effect_key of this call.
// What it points to (run_context, input, env) must outlive start_tool().
struct PreparedCall {
  const StepType* type = nullptr;
  StepContext context;
};
// A key that the tool gives itself takes the place of effect_key; unless it is global it stands
// behind `key_scope`, the name of what the call is a part of (a step of a run).
// E0603: the arguments do not fit the tool's schema. E0450: its templates failed.
Result<PreparedCall> prepare_call(const Tool& tool, const json::Value& arguments,
                                  StepContext context, std::string_view key_scope);
// What the step gave, as the tool gives it (`output_as`).
Result<json::Value> tool_output(const Tool& tool, const json::Value& arguments,
                                const StepContext& context, json::Value output);
// The output as a model reads it: text as it is, else JSON; at most `bytes_max`, and it says so
// where something was left out.
std::string tool_text(const json::Value& output, size_t bytes_max);

}  // namespace weft::worker
