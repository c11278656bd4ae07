// SPDX-License-Identifier: Apache-2.0
#include "workflow/document_schema.h"

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>

#include "workflow/catalog.h"

namespace weft::workflow {
namespace {

using Words = std::initializer_list<std::string_view>;

json::Object defined(std::string_view name) {
  return {{"$ref", "#/$defs/" + std::string(name)}};
}

json::Object type(std::string_view name) { return {{"type", name}}; }

json::Object any_of(std::initializer_list<json::Object> schemas) {
  return {{"anyOf", json::Array(schemas.begin(), schemas.end())}};
}

// Of that schema, or text whose {{ }} will yield it.
json::Object or_expression(json::Object schema) {
  return any_of({std::move(schema), defined("expression")});
}

template <class Range>
json::Object one_word(const Range& words) {
  json::Array all;
  for (const std::string_view word : words) all.push_back(json::Value(word));
  return {{"enum", std::move(all)}};
}

json::Object one_of(Words words) { return one_word(words); }

json::Object integer(int64_t min, int64_t max) {
  return {{"type", "integer"}, {"minimum", min}, {"maximum", max}};
}

json::Object list_of(json::Object items) {
  return {{"type", "array"}, {"items", std::move(items)}};
}

json::Object mapping(json::Object properties, Words required = {}) {
  json::Object out{{"type", "object"},
                   {"properties", std::move(properties)},
                   {"additionalProperties", false}};
  if (required.size() > 0) out["required"] = json::Array(required.begin(), required.end());
  return out;
}

json::Object integer_of(const Parameter& parameter) {
  const bool bounded = parameter.min != INT64_MIN || parameter.max != INT64_MAX;
  return bounded ? integer(parameter.min, parameter.max) : type("integer");
}

json::Object bounded_number(const Parameter& parameter) {
  json::Object out = type("number");
  if (parameter.min != INT64_MIN) out["minimum"] = parameter.min;
  if (parameter.max != INT64_MAX) out["maximum"] = parameter.max;
  return out;
}

json::Value parameter_schema(const Parameter& parameter) {
  switch (parameter.takes) {
    case Takes::kAnything: return json::Value(true);
    case Takes::kText:
    case Takes::kPrompt: return type("string");
    case Takes::kNumber: return or_expression(bounded_number(parameter));
    case Takes::kInteger: return or_expression(integer_of(parameter));
    case Takes::kBoolean: return or_expression(type("boolean"));
    case Takes::kList: return or_expression(type("array"));
    case Takes::kMapping: return or_expression(type("object"));
    case Takes::kSchema: return or_expression({{"type", json::Array{"object", "boolean"}}});
    case Takes::kDuration: return or_expression(defined("duration"));
    case Takes::kWord: return or_expression(one_word(parameter.words));
  }
  CHECK(false, "a parameter that takes {}", static_cast<int>(parameter.takes));
}

json::Object parameters_schema(const StepType& step_type) {
  json::Object properties;
  json::Array required;
  for (const Parameter& parameter : step_type.parameters) {
    properties[parameter.name] = parameter_schema(parameter);
    if (parameter.required) required.push_back(json::Value(parameter.name));
  }
  json::Object out{{"type", "object"}, {"properties", std::move(properties)}};
  if (!step_type.open) out["additionalProperties"] = false;
  if (!required.empty()) out["required"] = std::move(required);
  json::Array choices;
  for (const std::string_view name : step_type.one_of) {
    choices.push_back(json::Object{{"required", json::Array{json::Value(name)}}});
  }
  if (!choices.empty()) out["anyOf"] = std::move(choices);
  return out;
}

// If the type is that one, the parameters are its own.
json::Object rule_of(const StepType& step_type) {
  json::Object names = step_type.alias.empty()
                           ? json::Object{{"const", step_type.name}}
                           : one_of({step_type.name, step_type.alias});
  json::Object own = defined(std::string(step_type.name) + "_parameters");
  json::Object then{{"properties", json::Object{{"parameters", std::move(own)}}}};
  const bool needed = !step_type.one_of.empty() ||
                      std::ranges::any_of(step_type.parameters, &Parameter::required);
  if (needed) then["required"] = json::Array{"parameters"};
  return {{"if", json::Object{{"properties", json::Object{{"type", std::move(names)}}}}},
          {"then", std::move(then)}};
}

json::Object retry_schema() {
  return mapping({{"attempts", integer(1, 1000)},
                  {"backoff", one_of({"fixed", "linear", "exponential"})},
                  {"initial", defined("duration")},
                  {"max", defined("duration")},
                  {"jitter", type("boolean")},
                  {"attempt_timeout", defined("duration")}});
}

// What a fallback may carry, too.
json::Object fallback_properties() {
  return {{"id", defined("id")},
          {"type", one_word(step_type_names())},
          {"parameters", type("object")},
          {"timeout", defined("duration")},
          {"when", type("string")},
          {"retry", defined("retry")},
          {"output_as", true},
          {"idempotency_key", type("string")},
          {"on_unknown", one_of({"ask", "retry", "fail"})}};
}

json::Object step_schema(json::Object properties) {
  json::Object out = mapping(std::move(properties), {"id", "type"});
  json::Array rules;
  for (const StepType& step_type : step_types()) rules.push_back(rule_of(step_type));
  out["allOf"] = std::move(rules);
  return out;
}

json::Object full_step_schema() {
  json::Object properties = fallback_properties();
  properties["dependencies"] = list_of(type("string"));
  properties["for_each"] = any_of({type("array"), defined("expression")});
  properties["concurrency"] = integer(1, 100'000);
  properties["fallback"] = json::Object{{"type", "array"}, {"items", defined("fallback")},
                                        {"minItems", 1}, {"maxItems", 100}};
  properties["on_error"] = one_of({"fail", "continue"});
  properties["join"] = one_of({"all_ok", "none_failed", "any_ok", "all_done"});
  properties["priority"] = integer(-1000, 1000);
  return step_schema(std::move(properties));
}

json::Object schedule_schema() {
  return mapping({{"cron", type("string")},
                  {"every", defined("duration")},
                  {"timezone", type("string")},
                  {"time_as", type("string")},
                  {"missed", one_of({"once", "skip", "all"})},
                  {"overlap", one_of({"allow", "skip"})},
                  {"input", type("object")}});
}

json::Object config_schema() {
  const json::Object share{{"type", "number"}, {"minimum", 0}, {"maximum", 1}};
  json::Object modes = type("object");
  modes["additionalProperties"] = one_of({"non_reasoning", "reasoning", "adaptive"});
  return mapping({{"mode_selection", std::move(modes)},
                  {"optimization_targets",
                   mapping({{"speed", share}, {"accuracy", share}, {"resource", share}})}});
}

json::Object definitions() {
  json::Object out{
      {"expression", json::Object{{"type", "string"}, {"pattern", "\\{\\{"}}},
      {"id", json::Object{{"type", "string"}, {"pattern", "^[a-z][a-z0-9_]{0,63}$"}}},
      {"duration", json::Object{{"type", json::Array{"number", "string"}}}},
      {"retry", retry_schema()},
      {"fallback", step_schema(fallback_properties())},
      {"step", full_step_schema()}};
  for (const StepType& step_type : step_types()) {
    out[std::string(step_type.name) + "_parameters"] = parameters_schema(step_type);
  }
  return out;
}

}  // namespace

json::Object document_schema() {
  json::Object steps = list_of(defined("step"));
  steps["minItems"] = 1;
  json::Object out = mapping(
      {{"weft", json::Object{{"enum", json::Array{"1", 1}}}},
       {"id", json::Object{{"type", "string"}, {"pattern", "^[a-z][a-z0-9_-]{0,63}$"}}},
       {"version", json::Object{{"type", json::Array{"string", "number", "boolean"}}}},
       {"title", type("string")},
       {"priority", integer(-1000, 1000)},
       {"timeout", defined("duration")},
       {"input", type("object")},
       {"workflow_config", config_schema()},
       {"tools", true},
       {"defaults", mapping({{"retry", defined("retry")}, {"timeout", defined("duration")}})},
       {"schedule", schedule_schema()},
       {"steps", std::move(steps)},
       {"output", true}},
      {"weft", "id", "steps"});
  out["$schema"] = "https://json-schema.org/draft/2020-12/schema";
  out["title"] = "A workflow of weft";
  out["$defs"] = definitions();
  return out;
}

}  // namespace weft::workflow
