// SPDX-License-Identifier: Apache-2.0
#include "server/answer_redaction.h"

#include <fmt/format.h>

#include <utility>

namespace weft::server {
namespace {

// Of objects names, too; those that become the same get a number.
// NOLINTNEXTLINE(misc-no-recursion): as deep as the reader of JSON allows
json::Value redacted_value(const json::Value& value, const security::Redaction& rules) {
  if (value.is_string()) return json::Value(security::redacted(value.get_string(), rules));
  if (value.is_array()) {
    json::Array out;
    for (const json::Value& item : value.get_array()) out.push_back(redacted_value(item, rules));
    return out;
  }
  if (!value.is_object()) return value;
  json::Object out;
  for (const auto& member : value.get_object()) {
    const std::string name = security::redacted(member.key(), rules);
    std::string key = name;
    for (size_t n = out.size() + 1; out.contains(key); ++n) key = fmt::format("{} {}", name, n);
    out[key] = redacted_value(member.value(), rules);
  }
  return out;
}

}  // namespace

// Reasoning comes before the answer, and calls behind it: what begins ends what was before.
backend::ChatDelta AnswerRedaction::delta(backend::ChatDelta delta) {
  const bool calls = !delta.tool_calls.empty();
  const bool answers = calls || !delta.content.empty();
  delta.generated.clear();
  delta.reasoning = reasoning_.add(delta.reasoning);
  if (answers) delta.reasoning += reasoning_.finish();
  delta.content = content_.add(delta.content);
  if (calls) delta.content += content_.finish();
  delta.tool_calls = redacted_calls(delta.tool_calls);
  return delta;
}

backend::ChatDelta AnswerRedaction::rest() {
  backend::ChatDelta out;
  out.reasoning = reasoning_.finish();
  out.content = content_.finish();
  return out;
}

void AnswerRedaction::redact(backend::ChatResult& result) const {
  result.generated.clear();
  result.reasoning = security::redacted(result.reasoning, rules_);
  security::StreamRedactor content(rules_, json_);
  const std::string begin = content.add(result.content);
  result.content = begin + content.finish();
  result.tool_calls = redacted_calls(result.tool_calls);
}

json::Array AnswerRedaction::redacted_calls(const json::Array& calls) const {
  json::Array out;
  for (const json::Value& call : calls) out.push_back(redacted_value(call, rules_));
  return out;
}

}  // namespace weft::server
