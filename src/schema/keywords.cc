// SPDX-License-Identifier: Apache-2.0
#include "schema/keywords.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/strings.h"
#include "schema/pointer.h"
#include "schema/value.h"

namespace weft::schema {
namespace {

using Value = json::Value;
using Reading = Parser::Reading;

std::string step_of(const Reading& at) {
  std::string step;
  append_step(step, at.keyword);
  return step;
}

template <auto kMember>
Status read_schema(Parser& parser, Reading& at, const Value& value) {
  at.node.*kMember = TRY(parser.add_child(at, step_of(at), value));
  return ok_status();
}

template <auto kMember>
Status read_unevaluated(Parser& parser, Reading& at, const Value& value) {
  parser.note_unevaluated();
  return read_schema<kMember>(parser, at, value);
}

Status read_items(Parser& parser, Reading& at, const Value& value) {
  if (value.is_array()) {
    return parser.bad(at, "a schema", value, "a list of schemas by place is called prefixItems");
  }
  return read_schema<&Node::items>(parser, at, value);
}

template <auto kMember>
Status read_schemas(Parser& parser, Reading& at, const Value& value) {
  const auto* array = value.if_array();
  if (!array || array->empty()) return parser.bad(at, "a non-empty array of schemas", value);
  for (size_t i = 0; i < array->size(); ++i) {
    const std::string step = fmt::format("{}/{}", step_of(at), i);
    (at.node.*kMember).push_back(TRY(parser.add_child(at, step, (*array)[i])));
  }
  return ok_status();
}

template <auto kMember>
Status read_schema_map(Parser& parser, Reading& at, const Value& value) {
  const auto* object = value.if_object();
  if (!object) return parser.bad(at, "an object of schemas", value);
  for (const auto& member : *object) {
    std::string step = step_of(at);
    append_step(step, member.key());
    const NodeId child = TRY(parser.add_child(at, std::move(step), member.value()));
    (at.node.*kMember).push_back({std::string(member.key()), child});
  }
  return ok_status();
}

Status read_properties(Parser& parser, Reading& at, const Value& value) {
  at.node.lists_properties = true;
  return read_schema_map<&Node::properties>(parser, at, value);
}

Status read_pattern_properties(Parser& parser, Reading& at, const Value& value) {
  const auto* object = value.if_object();
  if (!object) return parser.bad(at, "an object of schemas, by pattern", value);
  for (const auto& member : *object) {
    auto regex = Regex::compile(member.key());
    if (!regex.ok()) return in_context(std::move(regex).error(), parser.place(at));
    std::string step = step_of(at);
    append_step(step, member.key());
    const NodeId child = TRY(parser.add_child(at, std::move(step), member.value()));
    at.node.pattern_properties.push_back({std::move(regex).value(), child});
  }
  return ok_status();
}

Status read_names(Parser& parser, Reading& at, const Value& value,
                  std::vector<std::string>& names) {
  const auto* array = value.if_array();
  if (!array) {
    return parser.bad(at, "an array of property names", value,
                      value.is_bool() ? "since draft 4, required is a list beside properties" : "");
  }
  for (const Value& item : *array) {
    if (!item.is_string()) return parser.bad(at, "an array of property names", item);
    names.emplace_back(item.get_string());
  }
  std::vector<std::string> sorted = names;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end()) {
    return parser.bad(at, fmt::format("every name once, {} stands twice", quoted(*twice)), value);
  }
  return ok_status();
}

Status read_required(Parser& parser, Reading& at, const Value& value) {
  return read_names(parser, at, value, at.node.required);
}

Status read_dependent_required(Parser& parser, Reading& at, const Value& value) {
  const auto* object = value.if_object();
  if (!object) return parser.bad(at, "an object of name lists", value);
  for (const auto& member : *object) {
    DependentRequired entry{std::string(member.key()), {}};
    TRY(read_names(parser, at, member.value(), entry.required));
    at.node.dependent_required.push_back(std::move(entry));
  }
  return ok_status();
}

// Of draft 7: each member is what dependentRequired or dependentSchemas would hold.
Status read_dependencies(Parser& parser, Reading& at, const Value& value) {
  const auto* object = value.if_object();
  if (!object) return parser.bad(at, "an object of schemas or name lists", value);
  for (const auto& member : *object) {
    if (member.value().is_array()) {
      DependentRequired entry{std::string(member.key()), {}};
      TRY(read_names(parser, at, member.value(), entry.required));
      at.node.dependent_required.push_back(std::move(entry));
      continue;
    }
    std::string step = step_of(at);
    append_step(step, member.key());
    const NodeId child = TRY(parser.add_child(at, std::move(step), member.value()));
    at.node.dependent_schemas.push_back({std::string(member.key()), child});
  }
  return ok_status();
}

template <auto kMember>
Status read_count(Parser& parser, Reading& at, const Value& value) {
  if (!is_integer(value) || compare_numbers(value, Value(0)) < 0) {
    return parser.bad(at, "an integer of at least 0", value);
  }
  uint64_t count = UINT64_MAX;  // what is larger cannot be reached either
  if (value.is_int64()) {
    count = static_cast<uint64_t>(value.get_int64());
  } else if (value.is_uint64()) {
    count = value.get_uint64();
  } else if (value.get_double() < 0x1p63) {
    count = static_cast<uint64_t>(value.get_double());
  }
  at.node.*kMember = count;
  return ok_status();
}

template <auto kMember>
Status read_number(Parser& parser, Reading& at, const Value& value) {
  if (!value.is_number() || (value.is_double() && !std::isfinite(value.get_double()))) {
    return parser.bad(at, "a number", value,
                      value.is_bool() ? "since draft 6, the exclusive bound is itself a number"
                                      : "");
  }
  at.node.*kMember = value;
  return ok_status();
}

Status read_multiple_of(Parser& parser, Reading& at, const Value& value) {
  TRY(read_number<&Node::multiple_of>(parser, at, value));
  if (compare_numbers(value, Value(0)) <= 0) return parser.bad(at, "a number above 0", value);
  return ok_status();
}

constexpr std::array<std::pair<std::string_view, Type>, 7> kTypes = {{{"null", kNull},
                                                                      {"boolean", kBoolean},
                                                                      {"integer", kInteger},
                                                                      {"number", kNumber},
                                                                      {"string", kString},
                                                                      {"array", kArray},
                                                                      {"object", kObject}}};

Status read_one_type(Parser& parser, Reading& at, const Value& value) {
  if (!value.is_string()) return parser.bad(at, "a type name or a list of type names", value);
  const std::string_view name(value.get_string());
  std::vector<std::string> names;
  for (const auto& [known, bit] : kTypes) {
    names.emplace_back(known);
    if (known != name) continue;
    if (at.node.types & bit) return parser.bad(at, "every type once", value);
    at.node.types |= bit;
    return ok_status();
  }
  return parser.bad(at, "a type name", value, name_hint(name, names));
}

Status read_type(Parser& parser, Reading& at, const Value& value) {
  const auto* array = value.if_array();
  if (!array) return read_one_type(parser, at, value);
  if (array->empty()) return parser.bad(at, "at least one type name", value);
  for (const Value& item : *array) TRY(read_one_type(parser, at, item));
  return ok_status();
}

Status read_enum(Parser& parser, Reading& at, const Value& value) {
  const auto* array = value.if_array();
  if (!array) return parser.bad(at, "an array of values", value);
  at.node.enumeration.emplace(array->begin(), array->end());
  return ok_status();
}

Status read_const(Parser&, Reading& at, const Value& value) {
  at.node.constant = value;
  return ok_status();
}

Status read_default(Parser&, Reading& at, const Value& value) {
  at.node.default_value = value;
  return ok_status();
}

Status read_unique_items(Parser& parser, Reading& at, const Value& value) {
  if (!value.is_bool()) return parser.bad(at, "true or false", value);
  at.node.unique_items = value.get_bool();
  return ok_status();
}

// Whoever asks a model rewrites it (chat/verbatim); here only its form is judged.
Status read_verbatim(Parser& parser, Reading& at, const Value& value) {
  return value.is_bool() ? ok_status() : Status(parser.bad(at, "true or false", value));
}

Status read_pattern(Parser& parser, Reading& at, const Value& value) {
  if (!value.is_string()) return parser.bad(at, "a regular expression", value);
  auto regex = Regex::compile(value.get_string());
  if (!regex.ok()) return in_context(std::move(regex).error(), parser.place(at));
  at.node.pattern = std::move(regex).value();
  return ok_status();
}

template <auto kMember>
Status read_text(Parser& parser, Reading& at, const Value& value) {
  if (!value.is_string()) return parser.bad(at, "a string", value);
  at.node.*kMember = std::string(value.get_string());
  return ok_status();
}

Status read_ref(Parser& parser, Reading& at, const Value& value) {
  return parser.note_reference(at, value, false);
}
Status read_dynamic_ref(Parser& parser, Reading& at, const Value& value) {
  return parser.note_reference(at, value, true);
}
Status read_anchor(Parser& parser, Reading& at, const Value& value) {
  return parser.note_anchor(at, value, false);
}
Status read_dynamic_anchor(Parser& parser, Reading& at, const Value& value) {
  return parser.note_anchor(at, value, true);
}

// Keywords that say nothing about validity, or that begin_resource() has read already.
Status skip(Parser&, Reading&, const Value&) { return ok_status(); }

constexpr std::array kKeywords = {
    Keyword{"$schema", kCore, skip},
    Keyword{"$id", kCore, skip},
    Keyword{"$vocabulary", kCore, skip},
    Keyword{"$comment", kCore, skip},
    Keyword{"$anchor", kCore, read_anchor},
    Keyword{"$dynamicAnchor", kCore, read_dynamic_anchor},
    Keyword{"$ref", kCore, read_ref},
    Keyword{"$dynamicRef", kCore, read_dynamic_ref},
    Keyword{"$defs", kCore, read_schema_map<&Node::definitions>},
    Keyword{"definitions", kCore, read_schema_map<&Node::definitions>},
    Keyword{"x-weft-verbatim", kCore, read_verbatim},
    Keyword{"type", kValidation, read_type},
    Keyword{"enum", kValidation, read_enum},
    Keyword{"const", kValidation, read_const},
    Keyword{"minimum", kValidation, read_number<&Node::minimum>},
    Keyword{"maximum", kValidation, read_number<&Node::maximum>},
    Keyword{"exclusiveMinimum", kValidation, read_number<&Node::exclusive_minimum>},
    Keyword{"exclusiveMaximum", kValidation, read_number<&Node::exclusive_maximum>},
    Keyword{"multipleOf", kValidation, read_multiple_of},
    Keyword{"minLength", kValidation, read_count<&Node::min_length>},
    Keyword{"maxLength", kValidation, read_count<&Node::max_length>},
    Keyword{"pattern", kValidation, read_pattern},
    Keyword{"format", kFormat, read_text<&Node::format>},
    Keyword{"minItems", kValidation, read_count<&Node::min_items>},
    Keyword{"maxItems", kValidation, read_count<&Node::max_items>},
    Keyword{"uniqueItems", kValidation, read_unique_items},
    Keyword{"minContains", kValidation, read_count<&Node::min_contains>},
    Keyword{"maxContains", kValidation, read_count<&Node::max_contains>},
    Keyword{"prefixItems", kApplicator, read_schemas<&Node::prefix_items>},
    Keyword{"items", kApplicator, read_items},
    Keyword{"contains", kApplicator, read_schema<&Node::contains>},
    Keyword{"unevaluatedItems", kUnevaluated, read_unevaluated<&Node::unevaluated_items>},
    Keyword{"minProperties", kValidation, read_count<&Node::min_properties>},
    Keyword{"maxProperties", kValidation, read_count<&Node::max_properties>},
    Keyword{"required", kValidation, read_required},
    Keyword{"dependentRequired", kValidation, read_dependent_required},
    Keyword{"properties", kApplicator, read_properties},
    Keyword{"patternProperties", kApplicator, read_pattern_properties},
    Keyword{"additionalProperties", kApplicator, read_schema<&Node::additional_properties>},
    Keyword{"propertyNames", kApplicator, read_schema<&Node::property_names>},
    Keyword{"unevaluatedProperties", kUnevaluated,
            read_unevaluated<&Node::unevaluated_properties>},
    Keyword{"dependentSchemas", kApplicator, read_schema_map<&Node::dependent_schemas>},
    Keyword{"dependencies", kApplicator, read_dependencies},
    Keyword{"allOf", kApplicator, read_schemas<&Node::all_of>},
    Keyword{"anyOf", kApplicator, read_schemas<&Node::any_of>},
    Keyword{"oneOf", kApplicator, read_schemas<&Node::one_of>},
    Keyword{"not", kApplicator, read_schema<&Node::not_>},
    Keyword{"if", kApplicator, read_schema<&Node::if_>},
    Keyword{"then", kApplicator, read_schema<&Node::then_>},
    Keyword{"else", kApplicator, read_schema<&Node::else_>},
    Keyword{"default", kMetaData, read_default},
    Keyword{"title", kMetaData, read_text<&Node::title>},
    Keyword{"description", kMetaData, read_text<&Node::description>},
    Keyword{"examples", kMetaData, skip},
    Keyword{"deprecated", kMetaData, skip},
    Keyword{"readOnly", kMetaData, skip},
    Keyword{"writeOnly", kMetaData, skip},
    Keyword{"contentEncoding", kContent, skip},
    Keyword{"contentMediaType", kContent, skip},
    Keyword{"contentSchema", kContent, skip},
};

}  // namespace

std::span<const Keyword> keywords() { return kKeywords; }

const Keyword* find_keyword(std::string_view name) {
  const auto* found = std::find_if(kKeywords.begin(), kKeywords.end(),
                                   [&](const Keyword& one) { return one.name == name; });
  return found == kKeywords.end() ? nullptr : found;
}

std::string types_text(uint8_t types) {
  std::vector<std::string> names;
  for (const auto& [name, bit] : kTypes) {
    if (types & bit) names.emplace_back(name);
  }
  return join(names, " or ");
}

}  // namespace weft::schema
