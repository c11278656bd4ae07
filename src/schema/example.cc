// SPDX-License-Identifier: Apache-2.0
#include "schema/example.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/strings.h"
#include "schema/pointer.h"
#include "schema/schema.h"
#include "schema/validator.h"

namespace weft::schema {
namespace {

constexpr int kExampleDepthMax = 24;
constexpr int64_t kItemsMax = 64;
constexpr int kNodesMax = 10'000;  // a schema that holds itself twice doubles at each depth
constexpr size_t kTextMax = 4096;

const json::Value* member(const json::Object& schema, std::string_view key) {
  return schema.if_contains(key);
}

const json::Array* list(const json::Object& schema, std::string_view key) {
  const json::Value* value = member(schema, key);
  return value != nullptr && value->is_array() && !value->get_array().empty()
             ? &value->get_array()
             : nullptr;
}

double number(const json::Object& schema, std::string_view key, double usual) {
  const json::Value* value = member(schema, key);
  return value != nullptr && value->is_number() ? value->to_number<double>() : usual;
}

std::string_view text(const json::Object& schema, std::string_view key) {
  const json::Value* value = member(schema, key);
  return value != nullptr && value->is_string() ? std::string_view(value->get_string())
                                                : std::string_view();
}

std::string type_of(const json::Object& schema) {
  if (const std::string_view type = text(schema, "type"); !type.empty()) return std::string(type);
  if (const json::Array* types = list(schema, "type")) {
    for (const json::Value& one : *types) {
      if (one.is_string() && one != "null") return std::string(one.get_string());
    }
    return "null";
  }
  if (member(schema, "properties") || member(schema, "required")) return "object";
  if (member(schema, "items") || member(schema, "prefixItems")) return "array";
  if (member(schema, "minimum") || member(schema, "maximum")) return "number";
  return "string";
}

class ExampleMaker {
 public:
  explicit ExampleMaker(const json::Value& root) : root_(root) {}

  json::Value make(const json::Value& schema, std::string_view name, int depth) const {
    const bool enough = ++nodes_ > kNodesMax || depth > kExampleDepthMax;
    if (!schema.is_object() || enough) return text_for({}, name);
    json::Object whole = schema.get_object();
    merge_all(whole);
    if (const json::Value* value = member(whole, "const")) return *value;
    if (const json::Value* value = member(whole, "default")) return *value;
    for (const char* offered : {"examples", "enum"}) {
      if (const json::Array* values = list(whole, offered)) return values->front();
    }
    for (const char* choice : {"anyOf", "oneOf"}) {
      if (const json::Array* branches = list(whole, choice)) {
        json::Object first = whole;
        first.erase(choice);
        add(first, branches->front());
        return make(json::Value(std::move(first)), name, depth + 1);
      }
    }
    return of_type(type_of(whole), whole, name, depth);
  }

 private:
  // $ref and allOf become part of the schema itself; what it says already stays.
  void merge_all(json::Object& whole) const {
    const auto merges = [&] { return whole.contains("$ref") || whole.contains("allOf"); };
    for (int i = 0; i < kExampleDepthMax && merges(); ++i) {
      const std::string reference(text(whole, "$ref"));
      whole.erase("$ref");
      if (reference.starts_with("#")) {
        const auto target = find(root_, std::string_view(reference).substr(1));
        if (target.ok()) add(whole, **target);
      }
      const json::Array* parts = list(whole, "allOf");
      const json::Array copy = parts != nullptr ? *parts : json::Array();
      whole.erase("allOf");
      for (const json::Value& part : copy) add(whole, part);
    }
  }

  static void add(json::Object& whole, const json::Value& part) {
    if (!part.is_object()) return;
    for (const auto& [key, value] : part.get_object()) {
      json::Value* known = whole.if_contains(key);
      if (known == nullptr) {
        whole[key] = value;
      } else if (known->is_object() && value.is_object()) {
        for (const auto& [name, inner] : value.get_object()) known->get_object()[name] = inner;
      } else if (key == "required" && known->is_array() && value.is_array()) {
        for (const json::Value& name : value.get_array()) known->get_array().push_back(name);
      }
    }
  }

  json::Value of_type(const std::string& type, const json::Object& schema, std::string_view name,
                      int depth) const {
    if (type == "object") return object_for(schema, depth);
    if (type == "array") return array_for(schema, name, depth);
    if (type == "boolean") return true;
    if (type == "null") return nullptr;
    if (type == "integer" || type == "number") return number_for(schema, type == "integer");
    return text_for(schema, name);
  }

  json::Value object_for(const json::Object& schema, int depth) const {
    json::Object out;
    const json::Value* properties = member(schema, "properties");
    const json::Array* required = list(schema, "required");
    if (required == nullptr) return out;
    for (const json::Value& one : *required) {
      if (!one.is_string()) continue;
      const json::Value* inner = properties != nullptr && properties->is_object()
                                     ? properties->get_object().if_contains(one.get_string())
                                     : nullptr;
      out[one.get_string()] = make(inner != nullptr ? *inner : json::Value(true),
                                   one.get_string(), depth + 1);
    }
    return out;
  }

  json::Value array_for(const json::Object& schema, std::string_view name, int depth) const {
    json::Array out;
    const auto least = static_cast<int64_t>(std::min<double>(number(schema, "minItems", 0),
                                                             kItemsMax));
    if (const json::Array* first = list(schema, "prefixItems")) {
      for (const json::Value& one : *first) out.push_back(make(one, name, depth + 1));
    }
    const json::Value* items = member(schema, "items");
    while (std::ssize(out) < least) {
      out.push_back(make(items != nullptr ? *items : json::Value(true), name, depth + 1));
    }
    return out;
  }

  static json::Value number_for(const json::Object& schema, bool whole) {
    const double step = number(schema, "multipleOf", whole ? 1 : 0);
    double value = number(schema, "minimum", 1);
    const double above = number(schema, "exclusiveMinimum", -INFINITY);
    if (value <= above) value = above + (step > 0 ? step : 1);
    value = std::min(value, number(schema, "maximum", INFINITY));
    const double below = number(schema, "exclusiveMaximum", INFINITY);
    if (value >= below) value = below - (step > 0 ? step : 1);
    if (step > 0) value = std::ceil(value / step) * step;
    const bool exact = std::abs(value) < 9e15 && value == std::floor(value);
    return exact ? json::Value(static_cast<int64_t>(value)) : json::Value(value);
  }

  static json::Value text_for(const json::Object& schema, std::string_view name) {
    const std::string_view format = text(schema, "format");
    if (format == "date-time") return "2026-01-01T00:00:00Z";
    if (format == "date") return "2026-01-01";
    if (format == "time") return "00:00:00Z";
    if (format == "duration") return "P1D";
    if (format == "email") return "someone@example.com";
    if (format == "hostname") return "example.com";
    if (format == "ipv4") return "192.0.2.1";
    if (format == "ipv6") return "2001:db8::1";
    if (format == "uuid") return "00000000-0000-4000-8000-000000000000";
    if (format == "uri" || format == "url" || name == "url") return "https://example.com/";
    std::string out = name.empty() ? "example" : fmt::format("example of {}", name);
    const double least = number(schema, "minLength", 0);
    while (static_cast<double>(out.size()) < least && out.size() < kTextMax) out += " example";
    const double most = number(schema, "maxLength", INFINITY);
    if (static_cast<double>(out.size()) > most) {  // a name may hold longer characters
      out = std::string("example").substr(0, static_cast<size_t>(std::max(most, 0.0)));
      while (static_cast<double>(out.size()) < std::min(least, most)) out += 'x';
    }
    return json::Value(std::move(out));
  }

  const json::Value& root_;
  mutable int nodes_ = 0;
};

}  // namespace

Result<json::Value> example_of(const json::Value& schema, std::string_view name) {
  const Schema parsed = TRY(Schema::parse(schema));
  json::Value out = ExampleMaker(schema).make(schema, name, 0);
  TRY(apply_defaults(parsed, out));
  if (const auto wrong = validate(parsed, out); !wrong.empty()) {
    Error error = violation_error("an example made up for the schema", wrong);
    error.hint = "say in the schema what would fit: examples: […], or default";
    return error;
  }
  return out;
}

}  // namespace weft::schema
