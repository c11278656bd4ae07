// SPDX-License-Identifier: Apache-2.0
#include "worker/openapi_schema.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "schema/pointer.h"

namespace weft::worker {
namespace {

constexpr size_t kSchemaDepthMax = 64;
constexpr int kReferencesInARowMax = 32;
constexpr size_t kNodesMax = 20'000;  // of one operation, written out
constexpr size_t kNodesOfAllMax = 200'000;

using Names = std::initializer_list<std::string_view>;

bool is_one_of(std::string_view key, Names names) {
  return std::ranges::find(names, key) != names.end();
}

bool is_left_out(std::string_view key) {
  return is_one_of(key, {"example", "examples", "xml", "externalDocs", "discriminator", "nullable",
                         "readOnly", "writeOnly", "deprecated", "$id", "$schema", "$anchor",
                         "$dynamicAnchor", "$defs", "definitions"});
}

bool holds_schema(std::string_view key) {
  return is_one_of(key, {"items", "additionalProperties", "not", "if", "then", "else", "contains",
                         "propertyNames", "unevaluatedItems", "unevaluatedProperties"});
}

// 3.0 says "exclusiveMinimum: true" beside the minimum, 2020-12 the number itself.
void convert_bound(json::Object& schema, std::string_view bound, std::string_view exclusive) {
  const json::Value* flag = schema.if_contains(exclusive);
  if (flag == nullptr || !flag->is_bool()) return;
  const bool excluded = flag->get_bool();
  schema.stable_erase(exclusive);
  const json::Value* limit = schema.if_contains(bound);
  if (!excluded || limit == nullptr) return;
  schema[exclusive] = json::Value(*limit);
  schema.stable_erase(bound);
}

json::Value with_null(json::Object schema) {
  json::Value* type = schema.if_contains("type");
  if (type == nullptr || !type->is_string()) {
    if (schema.empty()) return schema;  // anything, null included
    return json::Object{{"anyOf", json::Array{std::move(schema), json::Object{{"type", "null"}}}}};
  }
  *type = json::Array{*type, "null"};
  json::Value* values = schema.if_contains("enum");
  if (values != nullptr && values->is_array() &&
      std::ranges::find(values->get_array(), json::Value(nullptr)) == values->get_array().end()) {
    values->get_array().emplace_back(nullptr);
  }
  return schema;
}

}  // namespace

Error openapi_error(std::string message, std::string hint) {
  return make_error("E0629", std::move(message), std::move(hint));
}

const json::Value* openapi_member(const json::Value& value, std::string_view name) {
  const json::Object* object = value.if_object();
  return object != nullptr ? object->if_contains(name) : nullptr;
}

std::string openapi_text(const json::Value& value, std::string_view name) {
  const json::Value* found = openapi_member(value, name);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

bool openapi_flag(const json::Value& value, std::string_view name) {
  const json::Value* found = openapi_member(value, name);
  return found != nullptr && found->is_bool() && found->get_bool();
}

Result<const json::Value*> OpenapiSchemas::target_of(const std::string& reference) const {
  if (!reference.starts_with("#/")) {
    return openapi_error(fmt::format("the reference {} leads out of the document",
                                     quoted(reference)),
                         "bundle the API's files into one first");
  }
  auto found = schema::find(document_, std::string_view(reference).substr(1));
  if (!found.ok()) return openapi_error(fmt::format("{} leads nowhere", quoted(reference)));
  return *found;
}

Result<const json::Value*> OpenapiSchemas::followed(const json::Value& value) const {
  const json::Value* at = &value;
  for (int i = 0; i < kReferencesInARowMax; ++i) {
    const std::string reference = openapi_text(*at, "$ref");
    if (reference.empty()) return at;
    at = TRY(target_of(reference));
  }
  return openapi_error("references lead in circles");
}

void OpenapiSchemas::begin() {
  nodes_ = depth_ = 0;
  open_.clear();
  wanted_.clear();
}

Result<json::Value> OpenapiSchemas::converted(const json::Value& schema) {
  depth_ = 0;
  open_.clear();
  return convert(schema);
}

Result<json::Object> OpenapiSchemas::definitions() {
  json::Object out;
  // A definition may want others.
  for (bool more = true; more;) {
    more = false;
    for (const std::string& reference : std::set(wanted_)) {
      const std::string name = definition_name(reference);
      if (out.contains(name)) continue;
      more = true;
      depth_ = 0;
      open_ = {reference};
      out[name] = TRY(convert(*TRY(target_of(reference))));
    }
  }
  return out;
}

// NOLINTNEXTLINE(misc-no-recursion): kSchemaDepthMax
Result<json::Value> OpenapiSchemas::convert(const json::Value& schema) {
  if (!schema.is_object()) return schema;  // true and false; what is wrong is found later
  if (++nodes_ > kNodesMax || ++nodes_of_all_ > kNodesOfAllMax) {
    return openapi_error("its schemas grow too large when written out");
  }
  if (depth_ == kSchemaDepthMax) return openapi_error("its schemas are nested too deeply");
  ++depth_;
  const std::string reference = openapi_text(schema, "$ref");
  auto out = [&]() -> Result<json::Value> {
    if (!reference.empty()) return convert_reference(schema.get_object(), reference);
    json::Object keywords = TRY(convert_keywords(schema.get_object()));
    if (openapi_flag(schema, "nullable")) return with_null(std::move(keywords));
    return json::Value(std::move(keywords));
  }();
  --depth_;
  return out;
}

// NOLINTNEXTLINE(misc-no-recursion): kSchemaDepthMax
Result<json::Value> OpenapiSchemas::convert_reference(const json::Object& schema,
                                                      const std::string& reference) {
  const json::Value* target = TRY(target_of(reference));
  if (std::ranges::find(open_, reference) != open_.end()) recursive_.insert(reference);
  json::Value out;
  if (recursive_.contains(reference)) {
    wanted_.insert(reference);
    out = json::Object{{"$ref", "#/$defs/" + definition_name(reference)}};
  } else {
    open_.push_back(reference);
    out = TRY(convert(*target));
    open_.pop_back();
  }
  if (!out.is_object()) return out;
  // What stands beside a reference counts in 3.1; 3.0 has descriptions there only.
  json::Object beside;
  for (const auto& entry : schema) {
    if (entry.key() == "$ref") continue;
    const bool words = is_one_of(entry.key(), {"description", "title", "default"});
    (words ? out.get_object() : beside)[entry.key()] = entry.value();
  }
  const bool later = !openapi_text(document_, "openapi").starts_with("3.0");
  if (!later || beside.empty()) return out;
  json::Object more = TRY(convert_keywords(beside));
  if (more.empty()) return out;
  return json::Value(json::Object{{"allOf", json::Array{std::move(out), std::move(more)}}});
}

// NOLINTNEXTLINE(misc-no-recursion): kSchemaDepthMax
Result<json::Object> OpenapiSchemas::convert_keywords(const json::Object& schema) {
  json::Object out;
  for (const auto& entry : schema) {
    const std::string_view key = entry.key();
    const json::Value& value = entry.value();
    if (is_left_out(key)) continue;
    if (holds_schema(key)) {
      out[key] = TRY(convert(value));
    } else if (is_one_of(key, {"allOf", "anyOf", "oneOf", "prefixItems"}) && value.is_array()) {
      json::Array list;
      for (const json::Value& one : value.get_array()) list.push_back(TRY(convert(one)));
      out[key] = std::move(list);
    } else if (is_one_of(key, {"properties", "patternProperties", "dependentSchemas"}) &&
               value.is_object()) {
      out[key] = TRY(convert_members(value.get_object(), key == "properties"));
    } else {
      out[key] = value;
    }
  }
  convert_bound(out, "minimum", "exclusiveMinimum");
  convert_bound(out, "maximum", "exclusiveMaximum");
  const json::Value* members = schema.if_contains("properties");
  json::Value* needed = out.if_contains("required");
  if (needed != nullptr && needed->is_array() && members != nullptr && members->is_object()) {
    json::Array kept;
    for (const json::Value& name : needed->get_array()) {
      const bool gone = name.is_string() && members->get_object().contains(name.get_string()) &&
                        !out.at("properties").get_object().contains(name.get_string());
      if (!gone) kept.push_back(name);
    }
    *needed = std::move(kept);
  }
  return out;
}

// NOLINTNEXTLINE(misc-no-recursion): kSchemaDepthMax
Result<json::Value> OpenapiSchemas::convert_members(const json::Object& members, bool properties) {
  json::Object out;
  for (const auto& entry : members) {
    if (properties && TRY(only_answered(entry.value()))) continue;
    out[entry.key()] = TRY(convert(entry.value()));
  }
  return json::Value(std::move(out));
}

Result<bool> OpenapiSchemas::only_answered(const json::Value& property) const {
  return openapi_flag(property, "readOnly") || openapi_flag(*TRY(followed(property)), "readOnly");
}

std::string OpenapiSchemas::definition_name(const std::string& reference) {
  if (const auto known = names_.find(reference); known != names_.end()) return known->second;
  std::string base;
  for (const char c : reference.substr(reference.rfind('/') + 1)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    base += plain ? c : '_';
  }
  const auto taken = [&](const std::string& name) {
    return std::ranges::any_of(names_, [&](const auto& entry) { return entry.second == name; });
  };
  std::string name = base;
  for (int i = 2; taken(name); ++i) name = fmt::format("{}_{}", base, i);
  names_[reference] = name;
  return name;
}

}  // namespace weft::worker
