// SPDX-License-Identifier: Apache-2.0
//
// The step types that documents may name, with their parameters: what `validate` checks and the
// hints are taken from. What a type does is no business of this module; whether this edition can
// run it is said here (`runs`), so that a document can be valid and yet refused by an executor.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft::workflow {

// What a parameter takes. Text with {{ }} is taken wherever its value may turn out right.
enum class Takes : uint8_t {
  kAnything, kText, kPrompt /* text that may hold {% %} */, kNumber, kInteger, kBoolean, kList,
  kMapping, kSchema, kDuration, kWord /* one of `words` */
};

struct Parameter {
  std::string_view name;
  Takes takes = Takes::kAnything;
  bool required = false;
  std::span<const std::string_view> words = {};  // for kWord
  int64_t min = INT64_MIN;                       // for kInteger and kNumber
  int64_t max = INT64_MAX;
};

struct StepType {
  std::string_view name;
  std::string_view alias;                  // accepted in its place; empty: none
  std::span<const Parameter> parameters;
  bool open = false;                       // other parameters are accepted, too
  bool runs = true;                        // in this edition
  bool effects = false;                    // may change the world: sees run.attempt
  bool secrets = false;                    // its parameters may hold {{ secrets.NAME }}
  // At least one of these parameters; empty: no such rule.
  std::span<const std::string_view> one_of = {};
};

std::span<const StepType> step_types();
// By name or alias; null if unknown.
const StepType* find_step_type(std::string_view name);
// Names and aliases, for hints.
std::vector<std::string> step_type_names();
// Tools that agents may call in every workflow.
std::span<const std::string_view> builtin_tool_names();

}  // namespace weft::workflow
