// SPDX-License-Identifier: Apache-2.0
#include "chat/call_text.h"

#include <fmt/format.h>

#include "base/strings.h"

namespace weft::chat {
namespace {

// {"name": …, "arguments": …}, with nothing but white space around.
std::optional<ToolCall> parse_json_call(std::string_view text) {
  const auto parsed = json::parse(trim(text));
  if (!parsed.ok() || !parsed->is_object()) return std::nullopt;
  const json::Object& object = parsed->get_object();
  const json::Value* name = object.if_contains("name");
  if (name == nullptr || !name->is_string() || name->get_string().empty()) return std::nullopt;
  ToolCall call;
  call.name = std::string(name->get_string());
  const json::Value* arguments = object.if_contains("arguments");
  call.arguments = arguments ? *arguments : json::Value(json::Object());
  if (call.arguments.is_string()) {
    // Some models write the object once more as JSON inside a string.
    auto inner = json::parse(call.arguments.get_string());
    if (inner.ok() && inner->is_object()) call.arguments = std::move(inner).value();
  }
  return call;
}

// Quotes and backslashes decide alone, so no parser has to survive half a document.
bool inside_json_string(std::string_view text) {
  bool inside = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && inside)
      ++i;
    else if (text[i] == '"')
      inside = !inside;
  }
  return inside;
}

bool take(std::string_view& text, std::string_view begin) {
  if (!text.starts_with(begin)) return false;
  text.remove_prefix(begin.size());
  return true;
}

// What stands before `end`, which is taken too.
std::optional<std::string_view> take_until(std::string_view& text, std::string_view end) {
  const size_t at = text.find(end);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view out = text.substr(0, at);
  text.remove_prefix(at + end.size());
  return out;
}

json::Value parameter_value(const Tool* tool, std::string_view name, std::string_view text) {
  if (tool == nullptr || parameter_is_text(*tool, name)) return json::Value(text);
  auto value = json::parse(trim(text));
  return value.ok() ? std::move(value).value() : json::Value(text);
}

std::optional<ToolCall> parse_xml_call(std::string_view text, const std::vector<Tool>& tools) {
  text = trim(text);
  ToolCall call;
  if (!take(text, "<function=")) return std::nullopt;
  const auto name = take_until(text, ">");
  if (!name || trim(*name).empty()) return std::nullopt;
  call.name = std::string(trim(*name));
  const Tool* tool = find_tool(tools, call.name);
  json::Object arguments;
  for (;;) {
    text = trim(text);
    if (take(text, "</function>")) break;
    if (!take(text, "<parameter=")) return std::nullopt;
    const auto parameter = take_until(text, ">");
    // The value's own line ends are kept; one at each end belongs to the markup.
    take(text, "\n");
    auto value = take_until(text, "</parameter>");
    if (!parameter || !value) return std::nullopt;
    if (value->ends_with('\n')) value->remove_suffix(1);
    const std::string_view key = trim(*parameter);
    arguments[key] = parameter_value(tool, key, *value);
  }
  if (!trim(text).empty()) return std::nullopt;
  call.arguments = std::move(arguments);
  return call;
}

}  // namespace

std::optional<ToolCall> parse_call(CallFormat format, std::string_view text,
                                   const std::vector<Tool>& tools) {
  return format == CallFormat::kXml ? parse_xml_call(text, tools) : parse_json_call(text);
}

bool inside_value(CallFormat format, std::string_view text) {
  if (format != CallFormat::kXml) return inside_json_string(text);
  const size_t opened = text.rfind("<parameter=");
  if (opened == std::string_view::npos) return false;
  return text.find("</parameter>", opened) == std::string_view::npos;
}

}  // namespace weft::chat
