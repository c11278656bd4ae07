// SPDX-License-Identifier: Apache-2.0
#include "server/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/strings.h"

namespace weft::server {
namespace {

constexpr size_t kBodyDepthMax = 128;

// A value as it may stand in a message: short ones as they are, others by their kind.
std::string shown(const json::Value& value) {
  if (value.is_double() && !std::isfinite(value.get_double())) return "a number beyond all bounds";
  if (value.is_structured()) return std::string(json::kind_name(value));
  return value.is_string() ? quoted(value.get_string(), 40) : json::dump(value);
}

// Can stand in a path, and so in an error's `param`, as it is.
bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= 60 &&
         std::ranges::all_of(name, [](char c) {
           return c == '_' || c == '-' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                  (c >= 'A' && c <= 'Z');
         });
}

}  // namespace

Error wrong_field(std::string_view name, std::string_view expected, std::string_view found) {
  return make_error("E0750", fmt::format("{}: expected {}, found {}", name, expected, found));
}

Error unsupported_field(std::string_view name, std::string_view why) {
  return make_error("E0751", fmt::format("{}: {}", name, why),
                    "leave it out; nothing is ignored silently here");
}

const json::Value* Fields::any(std::string_view name) {
  known_.emplace(name);
  const json::Value* value = object_.if_contains(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

void Fields::known(std::span<const std::string_view> names) {
  for (const std::string_view name : names) known_.emplace(name);
}

Result<std::optional<std::string>> Fields::text(std::string_view name) {
  const json::Value* value = any(name);
  if (value == nullptr) return std::optional<std::string>();
  if (!value->is_string()) return wrong_field(place(name), "a text", shown(*value));
  return std::optional(std::string(value->get_string()));
}

Result<std::string> Fields::required_text(std::string_view name) {
  auto value = TRY(text(name));
  if (!value) return wrong_field(place(name), "a text", "nothing");
  return *std::move(value);
}

Result<std::optional<bool>> Fields::boolean(std::string_view name) {
  const json::Value* value = any(name);
  if (value == nullptr) return std::optional<bool>();
  if (!value->is_bool()) return wrong_field(place(name), "true or false", shown(*value));
  return std::optional(value->get_bool());
}

Result<std::optional<int64_t>> Fields::integer(std::string_view name, int64_t min, int64_t max) {
  const json::Value* value = any(name);
  if (value == nullptr) return std::optional<int64_t>();
  std::optional<int64_t> number;
  if (value->is_int64()) number = value->get_int64();
  // 5.0 is how some languages write 5.
  if (value->is_double() && value->get_double() >= -9e15 && value->get_double() <= 9e15) {
    const auto whole = static_cast<int64_t>(value->get_double());
    if (static_cast<double>(whole) == value->get_double()) number = whole;
  }
  if (!number || *number < min || *number > max) {
    return wrong_field(place(name), fmt::format("an integer from {} to {}", min, max),
                       shown(*value));
  }
  return number;
}

Result<std::optional<double>> Fields::number(std::string_view name, double min, double max) {
  const json::Value* value = any(name);
  if (value == nullptr) return std::optional<double>();
  std::optional<double> number;
  if (value->is_double()) number = value->get_double();
  if (value->is_int64()) number = static_cast<double>(value->get_int64());
  if (!number || !(*number >= min && *number <= max)) {
    return wrong_field(place(name), fmt::format("a number from {} to {}", min, max),
                       shown(*value));
  }
  return number;
}

Result<const json::Array*> Fields::list(std::string_view name) {
  const json::Value* value = any(name);
  if (value == nullptr) return static_cast<const json::Array*>(nullptr);
  if (!value->is_array()) return wrong_field(place(name), "a list", shown(*value));
  return &value->get_array();
}

Result<const json::Object*> Fields::object(std::string_view name) {
  const json::Value* value = any(name);
  if (value == nullptr) return static_cast<const json::Object*>(nullptr);
  if (!value->is_object()) return wrong_field(place(name), "an object", shown(*value));
  return &value->get_object();
}

Result<std::vector<std::string>> Fields::texts(std::string_view name, size_t count_max) {
  std::vector<std::string> out;
  const json::Value* value = any(name);
  if (value == nullptr) return out;
  const std::string expected = fmt::format("a text or a list of at most {} texts", count_max);
  if (value->is_string()) {
    out.emplace_back(value->get_string());
    return out;
  }
  if (!value->is_array() || value->get_array().size() > count_max) {
    return wrong_field(place(name), expected,
                       value->is_array() ? fmt::format("{}", value->get_array().size())
                                         : shown(*value));
  }
  for (const json::Value& text : value->get_array()) {
    if (!text.is_string()) return wrong_field(place(name), expected, shown(text));
    out.emplace_back(text.get_string());
  }
  return out;
}

Status Fields::finish() const {
  for (const auto& [name, value] : object_) {
    if (known_.contains(std::string_view(name))) continue;
    const std::vector<std::string> names(known_.begin(), known_.end());
    const auto near = nearest_name(name, names);
    return make_error("E0750",
                      fmt::format("{}: this field is not known here",
                                  place(is_plain_name(name) ? std::string(name)
                                                            : quoted(name, 60))),
                      near ? fmt::format("did you mean '{}'?", *near)
                           : std::string("leave it out"));
  }
  return ok_status();
}

Result<int64_t> whole_number(std::string_view name, const std::string& text, int64_t low,
                             int64_t high) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value >= low && value <= high) {
    return value;
  }
  const std::string most = high == INT64_MAX ? "on" : fmt::format("to {}", high);
  return wrong_field(name, fmt::format("a number from {} {}", low, most), quoted(text, 40));
}

Result<json::Value> parse_any_body(std::string_view body) {
  auto value = json::parse(body, {.depth_max = kBodyDepthMax});
  if (!value.ok()) return in_context(std::move(value).error(), "the request's body");
  return value;
}

Result<json::Object> parse_body(std::string_view body) {
  auto value = parse_any_body(body);
  if (!value.ok()) return std::move(value).error();
  if (!value->is_object()) {
    return make_error("E0750", fmt::format("the request's body should be a JSON object, found {}",
                                           json::kind_name(*value)));
  }
  return std::move(value->as_object());
}

}  // namespace weft::server
