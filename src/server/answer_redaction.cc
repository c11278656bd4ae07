// SPDX-License-Identifier: Apache-2.0
#include "server/answer_redaction.h"

#include <utility>

namespace weft::server {

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
  if (calls.empty()) return {};
  // What was JSON is JSON.
  return json::parse(security::redacted_json(json::dump(calls), rules_)).value().as_array();
}

}  // namespace weft::server
