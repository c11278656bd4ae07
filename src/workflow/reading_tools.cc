// SPDX-License-Identifier: Apache-2.0
//
// `tools:` of a workflow: what agents may call, and the step that happens then. Its templates see
// only what they are called with, the run's id, input and environment, and secrets where the step
// sends them; all of that is checked here, because nobody reads a model's mind when a name is
// missing.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "text/jinja.h"
#include "workflow/catalog.h"
#include "workflow/reading.h"

namespace weft::workflow {
namespace {

using Node = YamlTree::Node;

constexpr int64_t kToolTimeoutUs = 30 * kSecondUs;
constexpr size_t kToolsMax = 256;
constexpr size_t kNameMax = 64;

bool is_tool_name(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  const auto allowed = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '-'; };
  return !name.empty() && name.size() <= kNameMax && letter(name[0]) &&
         std::all_of(name.begin(), name.end(), allowed);
}

// Every template of a tool: that it parses, and that its names can exist.
class ToolNamesCheck {
 public:
  ToolNamesCheck(const ToolDefinition& tool, Problems& problems)
      : tool_(tool), problems_(problems) {}

  // `more`: the names that are seen beside those of every tool.
  using Names = std::vector<std::string>;
  void check(const json::Value& value, const Names& more) {  // NOLINT(misc-no-recursion): YamlTree
    if (value.is_string()) return check_text(value.get_string(), more);
    if (value.is_array()) {
      for (const json::Value& item : value.get_array()) check(item, more);
    }
    if (value.is_object()) {
      for (const auto& member : value.get_object()) check(member.value(), more);
    }
  }

 private:
  void check_text(std::string_view source, const Names& more) {
    if (!may_hold_expression(source)) return;
    const auto parsed = text::Interpolation::parse(source);
    if (!parsed.ok()) {
      return add("E0417", parsed.error().message, parsed.error().hint);
    }
    for (const text::FreeName& name : parsed->names()) check_name(name, more);
  }

  void check_name(const text::FreeName& name, const Names& more) {
    Names known = {"args", "input", "run", "env"};
    known.insert(known.end(), more.begin(), more.end());
    const std::string& root = name.path.front();
    if (std::find(known.begin(), known.end(), root) == known.end()) {
      return add("E0418", fmt::format("a tool sees no {}", quoted(root)), name_hint(root, known));
    }
    if (root == "run" && name.path.size() > 1 && name.path[1] != "id" && !name.optional) {
      return add("E0418", fmt::format("of its run a tool sees the id only, not {}",
                                      quoted(name.path[1])), "write {{ run.id }}");
    }
    if (root != "args" || name.path.size() < 2 || name.optional) return;
    const json::Object* schema = tool_.parameters.if_object();
    const json::Value* properties = schema ? schema->if_contains("properties") : nullptr;
    if (properties == nullptr || !properties->is_object()) return;
    if (properties->get_object().contains(name.path[1])) return;
    std::vector<std::string> names;
    for (const auto& member : properties->get_object()) names.emplace_back(member.key());
    add("E0418", fmt::format("the tool has no parameter {}", quoted(name.path[1])),
        name_hint(name.path[1], names));
  }

  void add(const char* code, const std::string& message, std::string hint) {
    problems_.add(code, tool_.step.place, fmt::format("tool {}: {}", quoted(tool_.name), message),
                  std::move(hint));
  }

  const ToolDefinition& tool_;
  Problems& problems_;
};

// All of a list that hold no expression; nothing: it is no list, or one of them does.
std::optional<std::vector<Node>> literals_of(Node list) {
  std::vector<Node> items;
  if (!list.ok()) return items;
  if (!list.is_list()) return std::nullopt;
  for (const Node item : list) {
    if (item.is_text() && may_hold_expression(item.text())) return std::nullopt;
    items.push_back(item);
  }
  return items;
}

}  // namespace

void Reading::read_tool_step(Node node, ToolDefinition& tool) {
  Fields fields(node, fmt::format("tool {}: step", quoted(tool.name, 64)), problems_);
  if (!fields.ok()) return;
  Step& step = tool.step;
  read_type(fields, step);
  for (const char* word : {"agent", "approval", "signal", "wait", "workflow", "plan", "llm"}) {
    if (step.type != word) continue;
    fields.wrong(node.find("type"), "type", "a step that calls something outside",
                 "tools are made of http, database, file, notification, shell, mcp, set");
  }
  step.timeout_us = fields.duration_us("timeout").value_or(kToolTimeoutUs);
  read_parameters(fields, step);
  if (auto key = fields.text("idempotency_key")) step.edit().idempotency_key = std::move(*key);
  if (const auto word = fields.word("idempotency_scope", {"run", "global"})) {
    tool.global_key = *word == 1;
    if (step.idempotency_key().empty()) {
      problems_.add("E0412", node.find("idempotency_scope").place(),
                    fmt::format("{}: idempotency_scope without idempotency_key", fields.what()),
                    "it says for how long that key is one: for a step of a run, or for ever");
    }
  }
  if (const Node as = fields.any("output_as"); as.ok()) step.edit().output_as = as.to_json();
  fields.finish();
}

ToolDefinition Reading::read_tool(Node node) {
  ToolDefinition tool;
  tool.step.place = node.place();
  Fields fields(node, "tool", problems_);
  if (!fields.ok()) return tool;
  const Node name = fields.required("name", "what models call it");
  if (name.ok() && !(name.is_text() && is_tool_name(name.text()))) {
    fields.wrong(name, "name", "1 to 64 letters, digits, _ and -, a letter first");
  } else if (name.ok()) {
    tool.name = name.text();
  }
  tool.step.id = tool.name;
  tool.description = fields.text("description").value_or("");
  tool.parameters = json::Object{{"type", "object"}, {"properties", json::Object()}};
  if (const Node schema = fields.any("parameters"); schema.ok()) {
    if (schema.is_mapping()) {
      tool.parameters = read_schema(schema, fmt::format("tool {}", quoted(tool.name)));
    } else {
      fields.wrong(schema, "parameters", "a JSON Schema of an object");
    }
  }
  if (const Node step = fields.required("step", "what happens when it is called"); step.ok()) {
    read_tool_step(step, tool);
  }
  fields.finish();
  ToolNamesCheck check(tool, problems_);
  const StepType* type = find_step_type(tool.step.type);
  const bool secrets = type != nullptr && type->secrets;
  check.check(tool.step.parameters, secrets ? std::vector<std::string>{"secrets"}
                                            : std::vector<std::string>());
  check.check(tool.step.output_as(), {"output"});
  check.check(json::Value(tool.step.idempotency_key()), {});
  return tool;
}

// False, and a problem, unless the node is one of the names.
bool Reading::check_tool_name(const std::string& where, Node name,
                              const std::set<std::string>& known) {
  if (!name.is_text()) {
    problems_.add("E0412", name.place(), fmt::format("{}: expected the name of a tool, found {}",
                                                     where, name.found()));
    return false;
  }
  if (known.contains(std::string(name.text()))) return true;
  problems_.add("E0625", name.place(),
                fmt::format("{}: there is no tool {}", where, quoted(name.text())),
                problems_.hint_for(name.text(), [&] {
                  return std::vector<std::string>(known.begin(), known.end());
                }));
  return false;
}

// What holds an expression is judged when it is known.
void Reading::check_agent(const std::string& what, Node parameters) {
  const auto tools = literals_of(parameters.find("tools"));
  if (!tools) return;
  std::set<std::string> offered;
  for (const Node name : *tools) {
    if (!check_tool_name(what + ": tools", name, tool_names_)) continue;
    if (offered.emplace(name.text()).second) continue;
    problems_.add("E0412", name.place(), fmt::format("{}: tools: {} is named twice", what,
                                                     quoted(name.text())));
  }
  const auto approved = literals_of(parameters.find("approve_tools"));
  if (!approved || offered.size() != tools->size()) return;  // that is a problem of its own
  for (const Node name : *approved) {
    check_tool_name(what + ": approve_tools, of those in `tools`", name, offered);
  }
}

std::vector<ToolDefinition> Reading::read_tools(Node list) {
  std::vector<ToolDefinition> tools;
  for (const std::string_view name : builtin_tool_names()) tool_names_.emplace(name);
  if (!list.ok()) return tools;
  if (!list.is_list() || list.size() > kToolsMax) {
    problems_.add("E0412", list.place(),
                  fmt::format("tools: expected a list of at most {}, found {}", kToolsMax,
                              list.found()));
    return tools;
  }
  for (const Node node : list) {
    ToolDefinition tool = read_tool(node);
    const bool twice = std::any_of(tools.begin(), tools.end(), [&](const ToolDefinition& other) {
      return other.name == tool.name;
    });
    if (twice) {
      problems_.add("E0413", node.place(), fmt::format("two tools are called {}",
                                                       quoted(tool.name)));
    }
    tool_names_.insert(tool.name);
    tools.push_back(std::move(tool));
  }
  return tools;
}

}  // namespace weft::workflow
