// SPDX-License-Identifier: Apache-2.0
#include "chat/tools.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"

namespace weft::chat {
namespace {

constexpr size_t kToolsMax = 1000;
constexpr size_t kNameMax = 256;

Error wrong_tool(std::string place, std::string_view expected, std::string_view found) {
  return make_error("E0744", fmt::format("{}: expected {}, found {}", place, expected, found),
                    "e.g. {\"type\": \"function\", \"function\": {\"name\": \"lookup_order\", "
                    "\"parameters\": {\"type\": \"object\", \"properties\": {}}}}");
}

// Words that are no types are the schema's own to refuse.
bool is_object_type(const json::Value& type) {
  if (const json::Array* list = type.if_array()) {
    return list->size() == 1 && list->front() == "object";
  }
  for (const char* other : {"array", "string", "number", "integer", "boolean", "null"}) {
    if (type == other) return false;
  }
  return true;
}

// A misspelt member would be a tool without it. Others than these are the template's to show.
Status check_members(const json::Object& object, const std::string& place,
                     const std::vector<std::string>& names) {
  for (const auto& [name, member] : object) {
    if (std::find(names.begin(), names.end(), std::string_view(name)) != names.end()) continue;
    const auto near = nearest_name(name, names);
    if (!near || object.contains(*near)) continue;
    return make_error("E0744", fmt::format("{}.{}: not known", place, std::string_view(name)),
                      fmt::format("did you mean '{}'?", *near));
  }
  return ok_status();
}

Result<Tool> parse_tool(const json::Value& value, const std::string& place) {
  if (!value.is_object()) return wrong_tool(place, "an object", json::kind_name(value));
  const json::Object* tool = &value.get_object();
  std::string inner = place;
  if (const json::Value* function = tool->if_contains("function")) {
    inner += ".function";
    if (!function->is_object()) return wrong_tool(inner, "an object", json::kind_name(*function));
    tool = &function->get_object();
  } else if (const json::Value* type = tool->if_contains("type"); type && *type != "function") {
    return wrong_tool(place + ".type", "\"function\"", quoted(json::dump(*type), 60));
  }
  TRY(check_members(*tool, inner, {"type", "name", "description", "parameters", "strict"}));
  const json::Value* name = tool->if_contains("name");
  if (name == nullptr || !name->is_string()) {
    return wrong_tool(inner + ".name", "text", name ? json::kind_name(*name) : "nothing");
  }
  Tool out;
  out.name = std::string(name->get_string());
  // `<`, `>` and line ends would break the frames that calls are written in.
  if (out.name.empty() || out.name.size() > kNameMax ||
      out.name.find_first_of("<>\n\r\"\\") != std::string::npos) {
    return wrong_tool(inner + ".name", "a name without quotes, < > and line ends",
                      quoted(out.name));
  }
  const json::Value* parameters = tool->if_contains("parameters");
  if (parameters && !parameters->is_null()) {
    if (!parameters->is_object()) {
      return wrong_tool(inner + ".parameters", "a JSON Schema", json::kind_name(*parameters));
    }
    out.parameters = parameters->get_object();
    const json::Value* type = out.parameters.if_contains("type");
    if (type != nullptr && !is_object_type(*type)) {
      return wrong_tool(inner + ".parameters.type", "\"object\": arguments are members by name",
                        quoted(json::dump(*type), 60));
    }
  }
  // Arguments are members by name, whether the schema says so or not; no parameters: none.
  if (out.parameters.empty()) out.parameters["additionalProperties"] = false;
  if (!out.parameters.contains("type")) out.parameters["type"] = "object";
  return out;
}

}  // namespace

Result<std::vector<Tool>> parse_tools(const json::Array& tools) {
  if (tools.size() > kToolsMax) {
    return wrong_tool("tools", fmt::format("at most {}", kToolsMax),
                      fmt::format("{}", tools.size()));
  }
  std::vector<Tool> out;
  for (size_t i = 0; i < tools.size(); ++i) {
    const std::string place = fmt::format("tools[{}]", i);
    Tool tool = TRY(parse_tool(tools[i], place));
    if (find_tool(out, tool.name)) {
      return make_error("E0744", fmt::format("{}: there are two tools named {}", place,
                                             quoted(tool.name)),
                        "give each tool a name of its own");
    }
    out.push_back(std::move(tool));
  }
  return out;
}

const Tool* find_tool(const std::vector<Tool>& tools, std::string_view name) {
  const auto found = std::find_if(tools.begin(), tools.end(),
                                  [&](const Tool& tool) { return tool.name == name; });
  return found == tools.end() ? nullptr : &*found;
}

bool parameter_is_text(const Tool& tool, std::string_view parameter) {
  const json::Value* properties = tool.parameters.if_contains("properties");
  if (properties == nullptr || !properties->is_object()) return true;
  const json::Value* schema = properties->get_object().if_contains(parameter);
  if (schema == nullptr || !schema->is_object()) return schema == nullptr;
  const json::Value* type = schema->get_object().if_contains("type");
  if (type != nullptr) return *type == "string";
  // Without a type the values themselves may say it.
  const json::Value* values = schema->get_object().if_contains("enum");
  if (values == nullptr || !values->is_array()) return false;
  return std::all_of(values->get_array().begin(), values->get_array().end(),
                     [](const json::Value& value) { return value.is_string(); });
}

Result<ToolChoice> parse_tool_choice(const json::Value& choice, const std::vector<Tool>& tools) {
  if (choice.is_null() || choice == "auto") return ToolChoice{};
  if (choice == "none") return ToolChoice{ToolChoice::Mode::kNone, {}};
  ToolChoice out{ToolChoice::Mode::kRequired, {}};
  if (choice != "required") {
    const json::Value* name = nullptr;
    const json::Object* object = choice.if_object();
    const json::Value* type = object ? object->if_contains("type") : nullptr;
    if (object && (type == nullptr || *type == "function")) {
      const json::Value* function = choice.get_object().if_contains("function");
      name = function && function->is_object() ? function->get_object().if_contains("name")
                                               : choice.get_object().if_contains("name");
    }
    if (name == nullptr || !name->is_string()) {
      return make_error("E0744",
                        fmt::format("tool_choice: expected none, auto, required or a function's "
                                    "name, found {}", quoted(json::dump(choice), 60)),
                        "e.g. {\"type\": \"function\", \"function\": {\"name\": \"…\"}}");
    }
    out.name = std::string(name->get_string());
    if (!find_tool(tools, out.name)) {
      std::vector<std::string> names;
      for (const Tool& tool : tools) names.push_back(tool.name);
      return make_error("E0744", fmt::format("tool_choice: no tool is named {}", quoted(out.name)),
                        name_hint(out.name, names));
    }
  }
  if (tools.empty()) {
    return make_error("E0744", "tool_choice: a call is required, but no tools are given",
                      "give tools, or leave tool_choice away");
  }
  return out;
}

}  // namespace weft::chat
