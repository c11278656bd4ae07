// SPDX-License-Identifier: Apache-2.0
#include "cli/demo_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "runtime/model_instance.h"

namespace weft::cli {
namespace {

// training/weft_mini/labels.py has their meaning.
constexpr std::array<std::string_view, 11> kTrainedFields = {
    "category", "intent",   "urgency", "required_actions", "estimated_resolution_hours",
    "language", "priority", "urgent",  "needs_human",      "in_scope",
    "summary"};

std::string said_text(const json::Object& object, std::string_view name) {
  const json::Value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

// The model that a step names, or its class does.
std::string named_model(const json::Object& parameters, const backend::RoutingConfig& rules) {
  const auto known = rules.classes.find(said_text(parameters, "class"));
  if (known != rules.classes.end() && !known->second.model.empty()) return known->second.model;
  const std::string name = said_text(parameters, "model");
  return name.empty() ? "default" : name;
}

bool asks_for_a_trained_field(const json::Value& schema) {
  const json::Object* object = schema.if_object();
  const json::Value* members = object != nullptr ? object->if_contains("properties") : nullptr;
  if (members == nullptr || !members->is_object()) return false;
  return std::ranges::any_of(kTrainedFields, [&](std::string_view field) {
    return members->get_object().contains(field);
  });
}

void look_at_output(const workflow::Step& step, const backend::RoutingConfig& rules,
                    const std::function<bool(const std::string&)>& is_demo,
                    std::vector<workflow::Problem>& out) {
  for (const workflow::Step& other : step.fallback()) look_at_output(other, rules, is_demo, out);
  const json::Object* parameters = step.parameters.if_object();
  if (step.type != "llm" || parameters == nullptr) return;
  const json::Value* output = parameters->if_contains("output");
  if (output == nullptr || !output->is_object()) return;
  if (json::dump(*output).find("{{") != std::string::npos) return;
  if (asks_for_a_trained_field(*output) || !is_demo(named_model(*parameters, rules))) return;
  out.push_back({"E0433", step.place,
                 fmt::format("step '{}': weft-mini, the demo model, was trained for none of the "
                             "fields of this output: they will be filled without sense", step.id),
                 fmt::format("name a larger model (model:, --model DIR, or models: of the "
                             "configuration), or ask for some of {}",
                             fmt::join(kTrainedFields, ", "))});
}

}  // namespace

bool is_demo_model(const ModelsConfig& config, const std::string& model) {
  std::string name = model;
  if (name == "default" && !config.rules.device.empty()) {
    const auto led = config.rules.devices.find(config.rules.device);
    if (led != config.rules.devices.end()) name = led->second;
  }
  const auto local = config.local.find(name);
  if (local != config.local.end()) return local->second.empty();
  return !config.rules.models.contains(name) && runtime::means_embedded_model(name);
}

std::vector<workflow::Problem> demo_model_warnings(
    const workflow::Workflow& workflow, const backend::RoutingConfig& rules,
    const std::function<bool(const std::string&)>& is_demo) {
  std::vector<workflow::Problem> out;
  for (const workflow::Step& step : workflow.steps) look_at_output(step, rules, is_demo, out);
  return out;
}

}  // namespace weft::cli
