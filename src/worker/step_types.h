// SPDX-License-Identifier: Apache-2.0
//
// The step types of this edition, one accessor a type; each lives in its own unit. find_step_type
// (step_type.h) is how everybody else reaches them.
#pragma once

#include "worker/step_type.h"

namespace weft::worker {

const StepType& set_step();
const StepType& validate_step();
const StepType& wait_step();
const StepType& file_step();
const StepType& llm_step();
const StepType& http_step();
const StepType& approval_step();
const StepType& signal_step();
const StepType& workflow_step();
const StepType& agent_step();
const StepType& database_step();
const StepType& notification_step();
const StepType& shell_step();
const StepType& mcp_step();
const StepType& plan_step();

// For types whose work is a run of its own: what its end means for the step.
Started end_of_child(const StepContext& context);

// Parameters, with errors that name the step's parameter. E0603: missing, unknown, or wrong type.
Result<std::string> text_parameter(const json::Object& parameters, std::string_view name);
// `fallback` where the parameter is not given.
Result<std::string> text_parameter_or(const json::Object& parameters, std::string_view name,
                                      std::string_view fallback);
Status only_parameters(const json::Object& parameters, std::span<const std::string> known);
Error wrong_parameter(std::string_view name, std::string_view expected, std::string found,
                      std::string hint = {});

// Of StepType::rehearse: what the check said, or `usual` if it said nothing.
template <class T>
Rehearsed rehearsed(const Result<T>& checked, json::Value usual) {
  if (!checked.ok()) return Rehearsed(checked.error());
  return Rehearsed(std::move(usual));
}
// Stands for a text that only the outside could have said.
inline constexpr std::string_view kNotSent = "(dry run: nothing was sent)";

}  // namespace weft::worker
