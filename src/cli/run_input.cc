// SPDX-License-Identifier: Apache-2.0
#include "cli/run_input.h"

#include <algorithm>
#include <cctype>

#include "base/file.h"
#include "base/strings.h"
#include "workflow/input.h"

namespace weft::cli {
namespace {

constexpr size_t kInputBytesMax = size_t{64} << 20;

// Whether the schema says that the member is text, and nothing else.
bool wants_text(const json::Value& schema, std::string_view key) {
  const json::Object* object = schema.if_object();
  const json::Value* properties = object ? object->if_contains("properties") : nullptr;
  const json::Object* members = properties ? properties->if_object() : nullptr;
  const json::Value* member = members ? members->if_contains(key) : nullptr;
  const json::Object* described = member ? member->if_object() : nullptr;
  if (described == nullptr) return false;
  const json::Value* type = described->if_contains("type");
  if (type != nullptr) return type->is_string() && type->as_string() == "string";
  const json::Value* choices = described->if_contains("enum");
  if (choices == nullptr || !choices->is_array()) return false;
  for (const json::Value& choice : choices->as_array()) {
    if (!choice.is_string()) return false;
  }
  return true;
}

Status add_file(json::Object& input, const std::string& path) {
  const std::string text = TRY(read_file(path, kInputBytesMax));
  auto value = json::parse(text);
  if (!value.ok()) {
    return make_error("E0902", fmt::format("-i @{}: {}", path, value.error().message),
                      value.error().hint);
  }
  if (!value->is_object()) {
    return make_error("E0902", fmt::format("{}: expected an object, found {}", quoted(path),
                                           json::kind_name(*value)),
                      "{\"name\": value, …}");
  }
  for (auto& member : value->as_object()) input[member.key()] = std::move(member.value());
  return ok_status();
}

Status add_pair(json::Object& input, const std::string& argument, const json::Value& schema) {
  const size_t equals = argument.find('=');
  if (equals == std::string::npos || equals == 0) {
    return make_error("E0902", fmt::format("-i {}: expected key=value or @file.json",
                                           quoted(argument)),
                      "for example: -i inquiry=\"I was charged twice\"");
  }
  const std::string key = argument.substr(0, equals);
  const std::string text = argument.substr(equals + 1);
  if (const auto at = invalid_utf8_at(text)) {
    return make_error("E0902", fmt::format("-i {}: byte {} of the value is not UTF-8", key, *at),
                      "set the terminal to UTF-8, or give the input as -i @file.json");
  }
  if (!wants_text(schema, key)) {
    if (auto value = json::parse(text); value.ok()) {
      input[key] = std::move(value).value();
      return ok_status();
    }
  }
  input[key] = text;
  return ok_status();
}

// " -i name=…" for each input that the schema requires, has no default for, and was not given.
std::string missing_inputs(const json::Value& schema, const json::Object& members) {
  const json::Object* object = schema.if_object();
  const json::Value* required = object ? object->if_contains("required") : nullptr;
  if (required == nullptr || !required->is_array()) return "";
  const json::Value* properties = object->if_contains("properties");
  std::string out;
  for (const json::Value& name : required->get_array()) {
    if (!name.is_string() || members.contains(name.get_string())) continue;
    const json::Object* all = properties ? properties->if_object() : nullptr;
    const json::Value* one = all ? all->if_contains(name.get_string()) : nullptr;
    if (one != nullptr && one->is_object() && one->get_object().contains("default")) continue;
    out += fmt::format(" -i {}=…", std::string_view(name.get_string()));
  }
  return out;
}

}  // namespace

Result<json::Object> input_members(const workflow::Workflow& workflow,
                                   std::span<const std::string> arguments) {
  json::Object input;
  for (const std::string& argument : arguments) {
    if (argument.starts_with('@')) {
      TRY(add_file(input, argument.substr(1)));
    } else {
      TRY(add_pair(input, argument, workflow.input_schema));
    }
  }
  return input;
}

Result<json::Value> input_of(const workflow::Workflow& workflow,
                             std::span<const std::string> arguments) {
  const json::Object members = TRY(input_members(workflow, arguments));
  auto value = workflow::completed_input(workflow, members);
  if (value.ok() || value.error().code != "E0310") return value;
  const std::string missing = missing_inputs(workflow.input_schema, members);
  if (missing.empty()) return value;
  Error error = std::move(value).error();
  error.hint = "give it:" + missing;
  return error;
}

std::string command_text(std::span<const std::string> words) {
  constexpr std::string_view kPlain = "_-./=:,@%+";
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out += ' ';
    const bool plain = !word.empty() && std::ranges::all_of(word, [&](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 || kPlain.find(c) != kPlain.npos;
    });
    if (plain) {
      out += word;
      continue;
    }
    out += '\'';
    for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    out += '\'';
  }
  return out;
}

}  // namespace weft::cli
