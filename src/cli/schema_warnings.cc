// SPDX-License-Identifier: Apache-2.0
#include "cli/schema_warnings.h"

#include <fmt/format.h>

#include "grammar/json_schema.h"

namespace weft::cli {
namespace {

void look_at(const workflow::Step& step, std::vector<workflow::Problem>& out) {
  for (const workflow::Step& other : step.fallback()) look_at(other, out);
  if (step.type != "llm" || !step.parameters.is_object()) return;
  const json::Value* output = step.parameters.get_object().if_contains("output");
  if (output == nullptr || output->is_null()) return;
  // What {{ }} will become is known when the step runs.
  if (json::dump(*output).find("{{") != std::string::npos) return;
  const auto schema = schema::Schema::parse(*output);
  if (!schema.ok()) return;  // the loader has said so
  const auto rules = grammar::schema_rules(*schema);
  if (rules.ok()) return;
  out.push_back({rules.error().code, step.place,
                 fmt::format("step '{}': no grammar can hold the model to this output schema: {}",
                             step.id, rules.error().message),
                 "the answer is judged when it is there, and the step tries again as its `retry` "
                 "says; " +
                     rules.error().hint});
}

}  // namespace

std::vector<workflow::Problem> schema_warnings(const workflow::Workflow& workflow) {
  std::vector<workflow::Problem> out;
  for (const workflow::Step& step : workflow.steps) look_at(step, out);
  return out;
}

}  // namespace weft::cli
