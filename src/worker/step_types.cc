// SPDX-License-Identifier: Apache-2.0
#include "worker/step_types.h"

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace weft::worker {
namespace {

std::array<const StepType*, 15> all_step_types() {
  return {&set_step(),  &validate_step(), &wait_step(),   &file_step(),    &llm_step(),
          &http_step(), &approval_step(), &signal_step(), &workflow_step(),
          &plan_step(), &agent_step(),    &database_step(), &notification_step(), &shell_step(),
          &mcp_step()};
}

}  // namespace

std::string_view name(EffectClass effect) {
  switch (effect) {
    case EffectClass::kPure:
      return "pure";
    case EffectClass::kKeyed:
      return "keyed";
    case EffectClass::kUnsafe:
      return "unsafe";
  }
  CHECK(false, "effect class {}", static_cast<int>(effect));
}

std::optional<ActTarget> StepType::target(const json::Object&) const { return std::nullopt; }

Rehearsed StepType::rehearse(const StepContext&) const { return std::nullopt; }

Started StepType::replay(StepContext context, StepDone done) const {
  return start(std::move(context), std::move(done));
}

Started StepType::resume(StepContext, StepDone) const {
  CHECK(false, "a {} step never waits", name());
}

const StepType* find_step_type(std::string_view name) {
  for (const StepType* type : all_step_types()) {
    if (type->name() == name) return type;
  }
  return nullptr;
}

std::vector<std::string> step_type_names() {
  std::vector<std::string> names;
  for (const StepType* type : all_step_types()) names.emplace_back(type->name());
  return names;
}

Error unknown_step_type(std::string_view name) {
  return make_error("E0602", fmt::format("this weft has no step type {}", quoted(name)),
                    fmt::format("it has {}", join(step_type_names(), ", ")));
}

Status check_step_types(const workflow::Workflow& workflow) {
  for (const workflow::Step& step : workflow.steps) {
    if (find_step_type(step.type) == nullptr) {
      return in_context(unknown_step_type(step.type), fmt::format("step '{}'", step.id));
    }
    for (const workflow::Step& fallback : step.fallback()) {
      if (find_step_type(fallback.type) != nullptr) continue;
      return in_context(unknown_step_type(fallback.type),
                        fmt::format("fallback '{}'", fallback.id));
    }
  }
  return ok_status();
}

Error wrong_parameter(std::string_view name, std::string_view expected, std::string found,
                      std::string hint) {
  return make_error("E0603",
                    fmt::format("parameter '{}': expected {}, found {}", name, expected, found),
                    std::move(hint));
}

Result<std::string> text_parameter(const json::Object& parameters, std::string_view name) {
  const json::Value* value = parameters.if_contains(name);
  if (value == nullptr) return wrong_parameter(name, "text", "nothing");
  if (!value->is_string()) {
    return wrong_parameter(name, "text", std::string(json::kind_name(*value)));
  }
  return std::string(value->as_string());
}

Result<std::string> text_parameter_or(const json::Object& parameters, std::string_view name,
                                      std::string_view fallback) {
  if (!parameters.contains(name)) return std::string(fallback);
  return text_parameter(parameters, name);
}

Status only_parameters(const json::Object& parameters, std::span<const std::string> known) {
  for (const auto& member : parameters) {
    const std::string_view key = member.key();
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    return make_error("E0603", fmt::format("there is no parameter {}", quoted(key)),
                      name_hint(key, known));
  }
  return ok_status();
}

}  // namespace weft::worker
