// SPDX-License-Identifier: Apache-2.0
#include "workflow/secret_names.h"

#include <fmt/format.h>

#include <set>
#include <string_view>

#include "text/jinja.h"
#include "workflow/catalog.h"

namespace weft::workflow {
namespace {

// The names in one step's templates.
struct Found {
  std::set<std::string> needed;
  std::set<std::string> asked_about;

  void look_into(std::string_view source) {
    if (source.find("secrets") == std::string_view::npos) return;
    const auto parsed = text::Interpolation::parse(source, {.statements = true});
    if (!parsed.ok()) return;  // said elsewhere
    for (const text::FreeName& name : parsed->names()) {
      if (name.path.size() < 2 || name.path[0] != "secrets") continue;
      (name.optional ? asked_about : needed).insert(name.path[1]);
    }
  }
  void look_into(const json::Value& value) {  // NOLINT(misc-no-recursion): of a YamlTree
    if (value.is_string()) return look_into(std::string_view(value.get_string()));
    if (value.is_array()) {
      for (const json::Value& item : value.get_array()) look_into(item);
    }
    if (value.is_object()) {
      for (const auto& member : value.get_object()) look_into(member.value());
    }
  }
};

void add_names(const Step& step, const std::string& where, std::vector<SecretName>& out) {
  const StepType* type = find_step_type(step.type);
  if (type == nullptr || !type->secrets) return;
  Found found;
  found.look_into(step.parameters);
  if (found.needed.empty()) return;
  found.look_into(std::string_view(step.when()));
  for (const std::string& name : found.needed) {
    if (!found.asked_about.contains(name)) out.push_back({where, step.place, name});
  }
}

}  // namespace

std::vector<SecretName> secret_names(const Workflow& workflow) {
  std::vector<SecretName> out;
  for (const ToolDefinition& tool : workflow.tools) {
    add_names(tool.step, fmt::format("tool '{}'", tool.name), out);
  }
  for (const Step& step : workflow.steps) {
    add_names(step, fmt::format("step '{}'", step.id), out);
    for (const Step& fallback : step.fallback()) {
      add_names(fallback, fmt::format("fallback '{}'", fallback.id), out);
    }
  }
  return out;
}

}  // namespace weft::workflow
