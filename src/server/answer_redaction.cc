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
  const bool calls = !delta.calls.empty();
  const bool answers = calls || !delta.content.empty();
  delta.generated.clear();
  delta.reasoning = reasoning_.add(delta.reasoning);
  if (answers) delta.reasoning += reasoning_.finish();
  delta.content = content_.add(delta.content);
  if (calls) delta.content += content_.finish();
  delta.calls = whole_calls(delta.calls);
  return delta;
}

backend::ChatDelta AnswerRedaction::rest() {
  backend::ChatDelta out;
  out.reasoning = reasoning_.finish();
  out.content = content_.finish();
  if (call_) out.calls.push_back(redacted_call(*std::exchange(call_, std::nullopt)));
  return out;
}

void AnswerRedaction::redact(backend::ChatResult& result) const {
  result.generated.clear();
  result.reasoning = security::redacted(result.reasoning, rules_);
  security::StreamRedactor content(rules_, json_);
  const std::string begin = content.add(result.content);
  result.content = begin + content.finish();
  for (json::Value& call : result.tool_calls) call = redacted_value(call, rules_);
  for (chat::CallPiece& call : result.calls) call = redacted_call(std::move(call));
}

std::vector<chat::CallPiece> AnswerRedaction::whole_calls(
    const std::vector<chat::CallPiece>& pieces) {
  std::vector<chat::CallPiece> out;
  for (const chat::CallPiece& piece : pieces) {
    if (call_ && call_->index != piece.index) {  // it was cut short
      out.push_back(redacted_call(*std::exchange(call_, std::nullopt)));
    }
    if (!call_) {
      call_ = piece;
    } else {
      call_->arguments += piece.arguments;
      call_->done = piece.done;
    }
    if (piece.done) out.push_back(redacted_call(*std::exchange(call_, std::nullopt)));
  }
  return out;
}

// What was cut short is no JSON yet, but its strings are.
chat::CallPiece AnswerRedaction::redacted_call(chat::CallPiece call) const {
  call.name = security::redacted(call.name, rules_);
  if (const auto value = json::parse(call.arguments); value.ok()) {
    const json::Value shown = redacted_value(*value, rules_);
    if (shown != *value) call.arguments = json::dump(shown);
    return call;
  }
  security::StreamRedactor arguments(rules_, true);
  const std::string begin = arguments.add(call.arguments);
  call.arguments = begin + arguments.finish();
  return call;
}

}  // namespace weft::server
