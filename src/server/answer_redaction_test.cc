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

std::vector<chat::CallPiece> redacted_stream(const std::vector<chat::CallPiece>& pieces) {
  const security::Redaction rules{.email = true, .answers = true};
  AnswerRedaction redaction(rules, false);
  std::vector<chat::CallPiece> out;
  const auto take = [&out](const backend::ChatDelta& delta) {
    out.insert(out.end(), delta.calls.begin(), delta.calls.end());
  };
  for (const chat::CallPiece& piece : pieces) {
    backend::ChatDelta delta;
    delta.calls = {piece};
    take(redaction.delta(std::move(delta)));
  }
  take(redaction.rest());
  return out;
}

// An address may be cut anywhere: calls are shown when they are whole, and what the end of the
// answer cut short when that has come; as the whole answer shows them.
TEST(AnswerRedaction, StreamedCallsAreThoseOfTheWholeAnswer) {
  const std::string first = R"({"to": "a@x.com", "b@x.com": 1.50, "c@x.com": 2})";
  const std::string plain = R"({"n":  1.50})";
  const std::string cut = R"({"to": "ask a@x.com or b@x)";  // in a model's answer the last alone
  backend::ChatResult whole;
  std::vector<chat::CallPiece> pieces;
  for (const std::string& text : {first, cut, plain, cut}) {
    const int index = static_cast<int>(whole.calls.size());
    whole.calls.push_back({.index = index, .name = "send", .arguments = text,
                           .done = text != cut});
    pieces.push_back({.index = index, .name = "send"});
    for (const char c : text) pieces.push_back({.index = index, .arguments = std::string(1, c)});
    if (text != cut) pieces.push_back({.index = index, .done = true});
  }
  const std::vector<chat::CallPiece> told = redacted_stream(pieces);
  const security::Redaction rules{.email = true, .answers = true};
  AnswerRedaction(rules, false).redact(whole);
  ASSERT_EQ(told.size(), 4U);
  for (size_t i = 0; i < told.size(); ++i) {
    EXPECT_EQ(told[i].arguments, whole.calls[i].arguments);
    EXPECT_EQ(told[i].name, "send");
    EXPECT_EQ(told[i].done, i % 2 == 0);
  }
  EXPECT_EQ(told[0].arguments, R"({"to":"[email]","[email]":1.5,"[email] 3":2})");
  EXPECT_EQ(told[1].arguments.find("a@x"), std::string::npos) << told[1].arguments;
  EXPECT_EQ(told[2].arguments, plain);
}

}  // namespace
}  // namespace weft::server
