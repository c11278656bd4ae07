// SPDX-License-Identifier: Apache-2.0
#include "cli/class_warnings.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"

namespace weft::cli {
namespace {

void look_at_class(const workflow::Step& step, const std::vector<std::string>& known,
                   std::vector<workflow::Problem>& out) {
  for (const workflow::Step& other : step.fallback()) look_at_class(other, known, out);
  const json::Object* parameters = step.parameters.if_object();
  const bool thinks = step.type == "llm" || step.type == "agent" || step.type == "plan";
  const json::Value* given =
      thinks && parameters != nullptr ? parameters->if_contains("class") : nullptr;
  if (given == nullptr || !given->is_string()) return;
  const std::string name(given->get_string());
  const bool template_text = name.find("{{") != std::string::npos;
  if (name.empty() || template_text || std::ranges::find(known, name) != known.end()) return;
  const std::string where = "classes stand in workflow_config.mode_selection, or in "
                            "routing.classes of the configuration (--config)";
  out.push_back({"E0432", step.place,
                 fmt::format("step '{}': nothing knows the class {}, so that it changes nothing",
                             step.id, quoted(name)),
                 known.empty() ? where : name_hint(name, known) + "; " + where});
}

}  // namespace

std::vector<workflow::Problem> class_warnings(const workflow::Workflow& workflow,
                                              const backend::RoutingConfig& rules) {
  std::vector<std::string> known;
  for (const auto& [name, mode] : workflow.config.mode_selection) known.push_back(name);
  for (const auto& [name, profile] : rules.classes) known.push_back(name);
  std::vector<workflow::Problem> out;
  for (const workflow::Step& step : workflow.steps) look_at_class(step, known, out);
  for (const workflow::ToolDefinition& tool : workflow.tools) look_at_class(tool.step, known, out);
  return out;
}

}  // namespace weft::cli
