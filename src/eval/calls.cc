// SPDX-License-Identifier: Apache-2.0
#include "eval/calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <vector>

namespace weft::eval {
namespace {

constexpr std::string_view kAcceptedForm =
    R"({"$calls": [{"name": "area", "arguments": {"base": [10], "unit": ["cm", ""]}}]})";

// What stays of a text when spelling does not count.
std::string plain_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view(" ,./-_*^").find(c) != std::string_view::npos) continue;
    if (c == '\'') {
      out += '"';
    } else {
      out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  return out;
}

bool may_be_missing(const json::Array& values) {
  return std::ranges::any_of(
      values, [](const json::Value& v) { return v.is_string() && v.as_string().empty(); });
}

bool members_accepted(const json::Object& accepted, const json::Object& found);

bool value_accepted(const json::Value& accepted, const json::Value& found) {
  if (accepted.is_number() && found.is_number()) {
    if (!accepted.is_double() && !found.is_double()) return accepted == found;
    return accepted.to_number<double>() == found.to_number<double>();
  }
  if (accepted.kind() != found.kind()) return false;
  if (accepted.is_string()) {
    return plain_text(accepted.as_string()) == plain_text(found.as_string());
  }
  if (accepted.is_array()) {
    return std::ranges::equal(accepted.as_array(), found.as_array(), value_accepted);
  }
  if (accepted.is_object()) return members_accepted(accepted.as_object(), found.as_object());
  return accepted == found;
}

bool members_accepted(const json::Object& accepted, const json::Object& found) {
  for (const auto& member : found) {
    const json::Value* values = accepted.if_contains(member.key());
    if (values == nullptr || !values->is_array()) return false;
    const bool right = std::ranges::any_of(values->as_array(), [&](const json::Value& value) {
      return value_accepted(value, member.value());
    });
    if (!right) return false;
  }
  return std::ranges::all_of(accepted, [&](const auto& member) {
    return found.contains(member.key()) || (member.value().is_array() &&
                                            may_be_missing(member.value().as_array()));
  });
}

bool call_accepted(const json::Object& accepted, const json::Value& call) {
  if (called_name(call) != std::string_view(accepted.at("name").as_string())) return false;
  const json::Value* arguments = call.at("function").as_object().if_contains("arguments");
  return arguments != nullptr && arguments->is_object() &&
         members_accepted(accepted.at("arguments").as_object(), arguments->as_object());
}

using Accepts = std::function<bool(const json::Object& accepted, const json::Value& call)>;

// Each expected call takes the first call that is still free and that it accepts.
bool each_finds_one(const json::Array& accepted, const json::Array& calls, const Accepts& accepts) {
  if (accepted.size() != calls.size()) return false;
  std::vector<bool> taken(calls.size());
  return std::ranges::all_of(accepted, [&](const json::Value& expected) {
    for (size_t i = 0; i < calls.size(); ++i) {
      if (taken[i] || !accepts(expected.as_object(), calls[i])) continue;
      taken[i] = true;
      return true;
    }
    return false;
  });
}

Error bad_calls(std::string message) {
  return make_error("E0920", std::move(message), std::string(kAcceptedForm));
}

// Members that hold lists of right values; so do those of the objects among these.
Status check_members(const json::Object& members, std::string_view place) {
  for (const auto& member : members) {
    if (!member.value().is_array()) {
      return bad_calls(fmt::format("'{}' of {} should be a list of right values, found {}",
                                   std::string_view(member.key()), place,
                                   json::kind_name(member.value())));
    }
    for (const json::Value& value : member.value().as_array()) {
      if (!value.is_object()) continue;
      TRY(check_members(value.as_object(), std::string_view(member.key())));
    }
  }
  return ok_status();
}

}  // namespace

Status check_accepted_calls(const json::Value& accepted) {
  if (!accepted.is_array()) {
    return bad_calls(fmt::format("'$calls' should be a list of calls, found {}",
                                 json::kind_name(accepted)));
  }
  for (const json::Value& call : accepted.as_array()) {
    const json::Object* object = call.if_object();
    const json::Value* name = object ? object->if_contains("name") : nullptr;
    const json::Value* arguments = object ? object->if_contains("arguments") : nullptr;
    if (name == nullptr || !name->is_string() || arguments == nullptr ||
        !arguments->is_object() || object->size() != 2) {
      return bad_calls("a call in '$calls' should have a name and arguments");
    }
    TRY(check_members(arguments->as_object(), std::string_view(name->as_string())));
  }
  return ok_status();
}

bool calls_accepted(const json::Array& accepted, const json::Array& calls) {
  return each_finds_one(accepted, calls, call_accepted);
}

bool call_names_accepted(const json::Array& accepted, const json::Array& calls) {
  return each_finds_one(accepted, calls, [](const json::Object& expected, const json::Value& call) {
    return called_name(call) == std::string_view(expected.at("name").as_string());
  });
}

std::string called_name(const json::Value& call) {
  const json::Object* object = call.if_object();
  const json::Value* function = object != nullptr ? object->if_contains("function") : nullptr;
  const json::Value* name = function != nullptr && function->is_object()
                                ? function->as_object().if_contains("name")
                                : nullptr;
  return name != nullptr && name->is_string() ? std::string(name->as_string()) : "(none)";
}

}  // namespace weft::eval
