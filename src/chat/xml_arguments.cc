// SPDX-License-Identifier: Apache-2.0
#include "chat/xml_arguments.h"

#include <algorithm>
#include <utility>

#include "base/json.h"

namespace weft::chat {
namespace {

constexpr std::string_view kFunction = "\n<function=";
constexpr std::string_view kParameter = "<parameter=";
constexpr std::string_view kNameEnd = ">\n";
constexpr std::string_view kValueEnd = "\n</parameter>\n";
constexpr std::string_view kFunctionEnd = "</function>";

// Bytes at the end of `text` that could be the beginning of `end`.
size_t bytes_of_end(std::string_view text, std::string_view end) {
  size_t size = std::min(text.size(), end.size());
  while (!text.ends_with(end.substr(0, size))) --size;
  return size;
}

// The parameter whose head `text` begins with. Names may hold anything, so one may begin with the
// head of another: the longest counts, and nothing is known while a longer one may still come.
std::optional<std::string_view> named_parameter(const Tool* tool, std::string_view text) {
  const json::Value* properties = tool ? tool->parameters.if_contains("properties") : nullptr;
  if (properties == nullptr || !properties->is_object()) return std::nullopt;
  std::optional<std::string_view> out;
  for (const auto& [key, schema] : properties->get_object()) {
    const std::string_view name = key;
    const size_t common = std::min(text.size(), name.size());
    if (text.substr(0, common) != name.substr(0, common)) continue;
    const std::string_view behind = text.substr(common);
    if (common < name.size() || behind.size() < kNameEnd.size()) {
      if (kNameEnd.starts_with(behind)) return std::nullopt;  // it may be this one
    } else if (behind.starts_with(kNameEnd) && (!out || out->size() < name.size())) {
      out = name;
    }
  }
  return out;
}

}  // namespace

std::string XmlArguments::add(std::string_view text, const std::vector<Tool>& tools) {
  rest_ += text;
  std::string out;
  std::string_view left = rest_;
  const Tool* tool = name_.empty() ? nullptr : find_tool(tools, name_);
  while (step(left, tool, out)) {
    if (tool == nullptr) tool = find_tool(tools, name_);
  }
  rest_.erase(0, rest_.size() - left.size());
  return out;
}

// True: there may be more to read in what is left.
bool XmlArguments::step(std::string_view& left, const Tool* tool, std::string& out) {
  switch (at_) {
    case At::kHead: return read_head(left, out);
    case At::kNext: return read_next(left, tool, out);
    case At::kText: return read_text(left, out);
    case At::kJson: return read_json(left, out);
    case At::kEnd: left = {}; return false;
  }
  return false;
}

bool XmlArguments::read_head(std::string_view& left, std::string& out) {
  const size_t end = left.find(kNameEnd);
  if (end == left.npos || end <= kFunction.size()) return false;
  name_ = left.substr(kFunction.size(), end - kFunction.size());
  left.remove_prefix(end + kNameEnd.size());
  out += '{';
  at_ = At::kNext;
  return true;
}

bool XmlArguments::read_next(std::string_view& left, const Tool* tool, std::string& out) {
  if (left.starts_with(kFunctionEnd)) {
    out += '}';
    at_ = At::kEnd;
    return true;
  }
  if (!left.starts_with(kParameter)) return false;
  const auto name = named_parameter(tool, left.substr(kParameter.size()));
  if (!name) return false;
  left.remove_prefix(kParameter.size() + name->size() + kNameEnd.size());
  if (!std::exchange(first_, false)) out += ", ";
  json::append_quoted(out, *name);
  out += ": ";
  at_ = parameter_is_text(*tool, *name) ? At::kText : At::kJson;
  if (at_ == At::kText) out += '"';
  return true;
}

// A value that is text never holds what ends it (call_grammar.cc).
bool XmlArguments::read_text(std::string_view& left, std::string& out) {
  const size_t end = left.find(kValueEnd);
  if (end == left.npos) {
    const size_t known = left.size() - bytes_of_end(left, kValueEnd);
    add_text(left.substr(0, known), out);
    left.remove_prefix(known);
    return false;
  }
  add_text(left.substr(0, end), out);
  left.remove_prefix(end + kValueEnd.size());
  std::string broken;
  decoder_.finish(broken);
  add_text(broken, out);
  out += '"';
  at_ = At::kNext;
  return true;
}

void XmlArguments::add_text(std::string_view bytes, std::string& out) {
  std::string whole;
  decoder_.feed(bytes, whole);
  std::string quoted;
  json::append_quoted(quoted, whole);
  out.append(quoted, 1, quoted.size() - 2);
}

// JSON of the grammar is on one line.
bool XmlArguments::read_json(std::string_view& left, std::string& out) {
  const size_t end = std::min(left.find('\n'), left.size());
  out += left.substr(0, end);
  left.remove_prefix(end);
  if (!left.starts_with(kValueEnd)) return false;
  left.remove_prefix(kValueEnd.size());
  at_ = At::kNext;
  return true;
}

}  // namespace weft::chat
