// SPDX-License-Identifier: Apache-2.0
#include "model/config_fields.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"

namespace weft::model {

Error config_error(std::string message, std::string hint) {
  return make_error("E0211", std::move(message), std::move(hint));
}

const json::Value* Fields::find(std::string_view name) const {
  const json::Value* value = object_.if_contains(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

Result<int> Fields::integer(std::string_view name, int low, int high,
                            std::optional<int> absent) const {
  const json::Value* value = find(name);
  if (value == nullptr) return absent ? Result<int>(*absent) : missing(name);
  if (!value->is_int64()) return wrong(name, "an integer", *value);
  if (value->get_int64() < low || value->get_int64() > high) {
    return wrong(name, fmt::format("from {} to {}", low, high), *value);
  }
  return static_cast<int>(value->get_int64());
}

Result<int> Fields::integer_of(std::string_view name, std::string_view other, int low,
                               int high) const {
  if (find(other) == nullptr) return integer(name, low, high);
  const int found = TRY(integer(other, low, high));
  if (TRY(integer(name, low, high, found)) == found) return found;
  return config_error(fmt::format("{}: fields '{}' and '{}' should be the same, found {} and {}",
                                  where_, name, other, json::dump(*find(name)), found));
}

Result<double> Fields::number(std::string_view name, double low, double high,
                              std::optional<double> absent) const {
  const json::Value* value = find(name);
  if (value == nullptr) return absent ? Result<double>(*absent) : missing(name);
  if (!value->is_number()) return wrong(name, "a number", *value);
  const auto found = value->to_number<double>();
  if (!(found >= low && found <= high)) {
    return wrong(name, fmt::format("from {} to {}", low, high), *value);
  }
  return found;
}

Result<bool> Fields::boolean(std::string_view name, bool absent) const {
  const json::Value* value = find(name);
  if (value == nullptr) return absent;
  if (!value->is_bool()) return wrong(name, "true or false", *value);
  return value->get_bool();
}

Result<std::string> Fields::string(std::string_view name, std::string_view absent) const {
  const json::Value* value = find(name);
  if (value == nullptr) return std::string(absent);
  if (!value->is_string()) return wrong(name, "a string", *value);
  return std::string(value->get_string());
}

Result<std::vector<std::string>> Fields::kinds(std::string_view name, size_t size,
                                               const std::vector<std::string>& known) const {
  std::vector<std::string> out;
  const json::Value* value = find(name);
  if (value == nullptr) return out;
  if (!value->is_array() || value->get_array().size() != size) {
    return wrong(name, fmt::format("a list of {} kinds, one a layer", size), *value);
  }
  for (const json::Value& item : value->get_array()) {
    if (item.is_string()) out.emplace_back(item.get_string());
    if (!item.is_string() || std::ranges::find(known, out.back()) == known.end()) {
      return wrong(name, fmt::format("of '{}'", fmt::join(known, "', '")), item);
    }
  }
  return out;
}

Status Fields::only(std::string_view name, std::string_view expected) const {
  const std::string found = TRY(string(name, expected));
  if (found == expected) return ok_status();
  return config_error(fmt::format("{}: field '{}': {} is not supported", where_, name,
                                  quoted(found)), fmt::format("supported: {}", expected));
}

Error Fields::missing(std::string_view name) const {
  std::vector<std::string> names;
  for (const auto& member : object_) names.emplace_back(member.key());
  const auto nearest = nearest_name(name, names);
  return config_error(fmt::format("{}: field '{}' is missing", where_, name),
                      nearest ? fmt::format("there is a field '{}'", *nearest) : "");
}

Error Fields::wrong(std::string_view name, std::string_view expected,
                    const json::Value& found) const {
  return config_error(fmt::format("{}: field '{}' should be {}, found {}", where_, name, expected,
                                  quoted(json::dump(found))));
}

}  // namespace weft::model
