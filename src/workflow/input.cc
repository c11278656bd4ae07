// SPDX-License-Identifier: Apache-2.0
#include "workflow/input.h"

#include <string>
#include <vector>

#include "base/strings.h"
#include "schema/validator.h"

namespace weft::workflow {
namespace {

std::vector<std::string> member_names(const json::Value& schema) {
  std::vector<std::string> names;
  const json::Object* object = schema.if_object();
  const json::Value* properties = object ? object->if_contains("properties") : nullptr;
  if (properties != nullptr && properties->is_object()) {
    for (const auto& member : properties->as_object()) names.emplace_back(member.key());
  }
  return names;
}

}  // namespace

Result<json::Value> completed_input(const Workflow& workflow, json::Value value) {
  if (workflow.input_schema.is_null()) return value;
  const schema::Schema schema = TRY(schema::Schema::parse(workflow.input_schema));
  TRY(schema::apply_defaults(schema, value));
  const auto violations = schema::validate(schema, value);
  if (violations.empty()) return value;
  Error error = schema::violation_error(fmt::format("input of workflow '{}'", workflow.id),
                                        violations);
  if (error.hint.empty()) {
    error.hint = fmt::format("inputs: {}", join(member_names(workflow.input_schema), ", "));
  }
  return error;
}

}  // namespace weft::workflow
