// SPDX-License-Identifier: Apache-2.0
#include "server/answer_redaction.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace weft::server {
namespace {

std::string redacted_arguments(json::Value arguments) {
  const security::Redaction rules{.email = true, .answers = true};
  backend::ChatResult result;
  result.tool_calls = {json::Object{
      {"function", json::Object{{"name", "send"}, {"arguments", std::move(arguments)}}}}};
  AnswerRedaction(rules, false).redact(result);
  return json::dump(result.tool_calls[0].at("function").at("arguments"));
}

TEST(AnswerRedaction, NamesOfArgumentsThatBecomeTheSameAreNumbered) {
  const json::Value given =
      json::parse(R"({"a@x.com": 1, "b@x.com": {"to": ["c@x.com", "me"]}, "n": 2.5})").value();
  EXPECT_EQ(redacted_arguments(given),
            R"({"[email]":1,"[email] 2":{"to":["[email]","me"]},"n":2.5})");
}

TEST(AnswerRedaction, ArgumentsMayBeNestedAsDeepAsJsonIsRead) {
  const std::string given =
      "{\"a\":" + std::string(255, '[') + "\"a@x.com\"" + std::string(255, ']') + "}";
  EXPECT_EQ(redacted_arguments(json::parse(given).value()),
            "{\"a\":" + std::string(255, '[') + "\"[email]\"" + std::string(255, ']') + "}");
}

}  // namespace
}  // namespace weft::server
