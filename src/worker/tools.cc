// SPDX-License-Identifier: Apache-2.0
#include "worker/tools.h"

#include <algorithm>

#include "base/digest.h"
#include "base/strings.h"
#include "schema/validator.h"
#include "worker/secrets.h"
#include "workflow/catalog.h"
#include "workflow/render.h"

namespace weft::worker {
namespace {

struct Builtin {
  std::string_view name, type, description, parameters;
};

// Only what a model should decide. Whatever else a step type takes is for those who write steps.
constexpr Builtin kBuiltins[] = {
    {"api_client", "http", "Sends an HTTP request and returns status, headers and body.", R"({
      "type": "object", "additionalProperties": false, "required": ["method", "url"],
      "properties": {
        "method": {"enum": ["GET", "POST", "PUT", "PATCH", "DELETE"]},
        "url": {"type": "string", "maxLength": 2000},
        "query": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 500}},
        "json": {"type": "object"}}})"},
    {"database", "database", "Runs one SQL statement with bound parameters on a named connection.",
     R"({
      "type": "object", "additionalProperties": false, "required": ["connection", "query"],
      "properties": {
        "connection": {"type": "string", "maxLength": 64},
        "query": {"type": "string", "maxLength": 4000, "description": "values as :name"},
        "args": {"type": "object",
                 "additionalProperties": {"type": ["string", "number", "boolean", "null"]}}}})"},
    {"file_processor", "file", "Reads, parses, lists or writes files in allowed directories.",
     R"({
      "type": "object", "additionalProperties": false, "required": ["action", "path"],
      "properties": {
        "action": {"enum": ["read", "parse", "list", "write"]},
        "path": {"type": "string", "maxLength": 1000},
        "format": {"enum": ["text", "json", "csv", "pdf"]},
        "content": {"type": "string", "maxLength": 20000}}})"},
    {"notification", "notification", "Sends a message by webhook, chat or e-mail.", R"({
      "type": "object", "additionalProperties": false, "required": ["channel", "to", "text"],
      "properties": {
        "channel": {"enum": ["webhook", "chat", "email"]},
        "to": {"type": "string", "maxLength": 500},
        "subject": {"type": "string", "maxLength": 200},
        "text": {"type": "string", "maxLength": 4000}}})"},
    {"shell", "shell", "Runs a command in a sandbox without network.", R"({
      "type": "object", "additionalProperties": false, "required": ["command"],
      "properties": {
        "command": {"type": "array", "minItems": 1, "maxItems": 64,
                    "items": {"type": "string", "maxLength": 2000}},
        "stdin": {"type": "string", "maxLength": 20000}}})"},
};

std::vector<std::string> names_of(const std::vector<Tool>& tools) {
  std::vector<std::string> names;
  for (const Tool& tool : tools) names.push_back(tool.name);
  return names;
}

json::Value run_names(const StepContext& context) {
  return json::Object{{"id", context.run}};
}

// Another run's call with the same arguments is another act, unless the author says otherwise.
// Servers get it in a header: what does not fit there is told by its digest.
std::string key_of_call(std::string_view scope, std::string_view key, bool global) {
  constexpr size_t kBytesMax = 255;
  const auto fits = [](std::string_view text) {
    return text.size() <= kBytesMax &&
           std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; });
  };
  const std::string before = global ? "" : fmt::format("{}/", scope);
  std::string whole = before + std::string(key);
  if (fits(whole)) return whole;
  std::string digested = before + sha256_hex(key);
  return fits(digested) ? digested : sha256_hex(whole);
}

json::Object secret_marks_of(const Tool& tool, const StepContext& context) {
  const workflow::StepType* type = workflow::find_step_type(tool.type->name());
  if (type == nullptr || !type->secrets || context.run_context == nullptr) return {};
  return secret_marks(context.services->tools, *context.run_context);
}

std::shared_ptr<const SecretUse> secret_use_of_tool(const Tool& tool, const json::Value& arguments,
                                                    const StepContext& context,
                                                    std::vector<std::string> names) {
  const workflow::ToolDefinition* definition = tool.definition;
  return std::make_shared<const SecretUse>(SecretUse{
      std::move(names), [definition, arguments, input = context.input, env = context.env,
                          run = run_names(context)](const json::Object& secrets) {
        return workflow::render_tool(definition->step.parameters, definition->name,
                                     {arguments, *input, *env, nullptr, &run, &secrets});
      }});
}

}  // namespace

std::vector<Tool> builtin_tools() {
  std::vector<Tool> tools;
  for (const Builtin& one : kBuiltins) {
    const StepType* type = find_step_type(one.type);
    CHECK(type != nullptr, "{} is made of {}", one.name, one.type);
    auto schema = json::parse(one.parameters);
    CHECK(schema.ok(), "{}: {}", one.name, schema.error().text());
    tools.push_back({std::string(one.name), std::string(one.description), std::move(*schema),
                     type, nullptr});
  }
  return tools;
}

std::vector<Tool> tools_of(const workflow::Workflow& workflow) {
  std::vector<Tool> tools;
  for (const workflow::ToolDefinition& one : workflow.tools) {
    tools.push_back({one.name, one.description, one.parameters, find_step_type(one.step.type),
                     &one});
  }
  for (Tool& tool : builtin_tools()) {
    const auto names = names_of(tools);
    if (std::ranges::find(names, tool.name) == names.end()) tools.push_back(std::move(tool));
  }
  return tools;
}

Result<Tool> find_tool(const workflow::Workflow& workflow, std::string_view name) {
  std::vector<Tool> tools = tools_of(workflow);
  for (Tool& tool : tools) {
    if (tool.name == name && tool.type != nullptr) return std::move(tool);
  }
  return make_error("E0625", fmt::format("there is no tool {}", quoted(name)),
                    name_hint(name, names_of(tools)));
}

json::Object openai_form(const Tool& tool) {
  return {{"type", "function"},
          {"function", json::Object{{"name", tool.name},
                                    {"description", tool.description},
                                    {"parameters", tool.parameters}}}};
}

Result<PreparedCall> prepare_call(const Tool& tool, const json::Value& arguments,
                                  StepContext context, std::string_view key_scope) {
  CHECK(tool.type != nullptr && context.input != nullptr && context.env != nullptr,
        "{} is called by nobody", tool.name);
  const auto schema = TRY(schema::Schema::parse(tool.parameters));
  if (const auto violations = schema::validate(schema, arguments); !violations.empty()) {
    Error error = schema::violation_error(tool.name, violations);
    return make_error("E0603", fmt::format("a call of {}", error.message), std::move(error.hint));
  }
  if (!arguments.is_object()) {
    return make_error("E0603", fmt::format("the arguments of {} should be an object, found {}",
                                           tool.name, json::kind_name(arguments)));
  }
  PreparedCall call{tool.type, std::move(context)};
  static const workflow::Step kPlain;
  const workflow::Step& step = tool.definition != nullptr ? tool.definition->step : kPlain;
  if (tool.definition == nullptr) {
    call.context.parameters = arguments.get_object();
  } else {
    const json::Value run = run_names(call.context);
    const json::Object marks = secret_marks_of(tool, call.context);
    std::vector<std::string> used;
    const json::Value &input = *call.context.input, &env = *call.context.env;
    json::Value rendered = TRY(workflow::render_tool(
        step.parameters, tool.name, {arguments, input, env, nullptr, &run, &marks, &used}));
    CHECK(rendered.is_object(), "parameters of {} are an object", tool.name);
    call.context.parameters = std::move(rendered.as_object());
    if (!used.empty()) {
      call.context.secret_use = secret_use_of_tool(tool, arguments, call.context, std::move(used));
    }
    const workflow::ToolNames names{arguments, input, env, nullptr, &run};
    if (!step.idempotency_key().empty()) {
      const json::Value key = TRY(
          workflow::render_tool(json::Value(step.idempotency_key()), tool.name, names));
      call.context.effect_key =
          key_of_call(key_scope, key.is_string() ? std::string(key.get_string()) : json::dump(key),
                      tool.definition->global_key);
    }
    if (step.timeout_us > 0) {
      const int64_t until = call.context.now_us + step.timeout_us;
      int64_t& deadline = call.context.deadline_us;
      deadline = deadline == 0 ? until : std::min(deadline, until);
    }
  }
  call.context.effect = tool.type->effect(call.context.parameters, step);
  return call;
}

Result<json::Value> tool_output(const Tool& tool, const json::Value& arguments,
                                const StepContext& context, json::Value output) {
  if (tool.definition == nullptr || tool.definition->step.output_as().is_null()) return output;
  const json::Value run = run_names(context);
  return workflow::render_tool(tool.definition->step.output_as(), tool.name,
                               {arguments, *context.input, *context.env, &output, &run});
}

std::string tool_text(const json::Value& output, size_t bytes_max) {
  std::string text = output.is_string() ? std::string(output.get_string())
                                        : json::dump(output, {.spaces = true});
  if (text.size() <= bytes_max) return text;
  const std::string_view shown = beginning(text, bytes_max);
  return fmt::format("{}\n… ({} bytes left out)", shown, text.size() - shown.size());
}

}  // namespace weft::worker
