// SPDX-License-Identifier: Apache-2.0
//
// What stands in a prompt beside the conversation: the schema of the answer, tools, their results.
#include <gtest/gtest.h>

#include "backend/local.h"
#include "backend/test_ask.h"

namespace weft::backend {
namespace {

ChatRequest asking(const std::string& text) {
  ChatRequest request;
  request.messages.push_back(json::Object{{"role", "user"}, {"content", text}});
  request.thinking = Thinking::kOff;
  return request;
}

// The schema of the answer reaches every model, except that the embedded one is left with the
// words of a system text, and with a list of tools. From a directory the same weights are a model
// like any other.
TEST(LocalPrompt, TellsTheSchemaToModelsThatDoNotKnowTheirForm) {
  LocalBackend backend;
  const json::Array lookup{
      json::parse(R"({"type": "function", "function": {"name": "lookup_order", "parameters":
        {"type": "object", "properties": {"order_id": {"type": "string"}}}}})").value()};
  const auto prompt_tokens = [&](std::string model, bool system, bool schema, bool tools = false,
                                 std::string tool_choice = "auto") {
    ChatRequest request = asking("I was charged twice");
    if (tools) request.tools = lookup;
    request.tool_choice = std::move(tool_choice);
    request.model = std::move(model);
    request.max_tokens = 4;
    if (system) {
      request.messages.insert(request.messages.begin(),
                              json::Object{{"role", "system"}, {"content", "Triage."}});
    }
    if (schema) request.output_schema = json::Object{{"type", "object"}};
    const auto result = ask(backend, std::move(request));
    EXPECT_TRUE(result.ok()) << result.error().text();
    return result.ok() ? result->tokens.prompt : 0;
  };
  const std::string directory = WEFT_SOURCE_DIR "/models/weft-mini";
  EXPECT_EQ(prompt_tokens("default", true, true), prompt_tokens("default", true, false));
  EXPECT_GT(prompt_tokens("default", false, true), prompt_tokens("default", false, false));
  EXPECT_EQ(prompt_tokens("default", false, true, true),
            prompt_tokens("default", false, false, true));
  EXPECT_GT(prompt_tokens("default", false, true, true, "none"),
            prompt_tokens("default", false, false, true, "none"));
  EXPECT_GT(prompt_tokens(directory, false, true, true),
            prompt_tokens(directory, false, false, true));
  EXPECT_GT(prompt_tokens(directory, true, true), prompt_tokens(directory, true, false));
  EXPECT_GT(prompt_tokens(directory, false, true), prompt_tokens(directory, false, false));
}

}  // namespace
}  // namespace weft::backend
