// SPDX-License-Identifier: Apache-2.0
#include "backend/token_parts.h"

#include <gtest/gtest.h>

#include "backend/local.h"
#include "backend/test_ask.h"

namespace weft::backend {
namespace {

// The log probabilities of an answer spell its content, whatever stands around it.
TEST(TokenParts, TokensOfTheAnswerSpellItsContent) {
  LocalBackend backend;
  const auto spelled = [](const std::vector<GeneratedToken>& tokens) {
    std::string text;
    for (const GeneratedToken& token : tokens) {
      if (token.part == GeneratedToken::Part::kAnswer) text += token.bytes;
    }
    return text;
  };
  const json::Array tools = json::parse(R"([{"type": "function", "function": {"name": "look",
      "parameters": {"type": "object", "properties": {}}}}])")->as_array();
  for (const char* form : {"text", "thought", "schema", "call", "stop"}) {
    ChatRequest request = charged_twice();
    request.logprobs = true;
    const std::string_view name = form;
    if (name == "thought") request.thinking = Thinking::kOn;
    if (name == "thought") request.thinking_budget_tokens = 8;
    if (name == "schema") request.output_schema = json::Object{{"type", "boolean"}};
    if (name == "call") request.tools = tools;
    if (name == "call") request.tool_choice = "required";
    if (name == "stop") request.stop = {"e", "\n"};
    const auto result = ask(backend, request);
    ASSERT_TRUE(result.ok()) << form << result.error().text();
    const std::string text = spelled(result->generated);
    if (name == "stop") {  // the last token may hold the beginning of the stop text
      EXPECT_TRUE(text.starts_with(result->content)) << text << " / " << result->content;
    } else {
      EXPECT_EQ(text, result->content) << form;
    }
    if (name == "call") {
      EXPECT_EQ(text, "");
    }
  }
}

}  // namespace
}  // namespace weft::backend
