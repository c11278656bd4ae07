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

// It knows what tools returned below their list only, with spaces behind commas and colons.
TEST(LocalPrompt, ShowsTheEmbeddedModelToolsAndTheirResultsAsItKnowsThem) {
  LocalBackend backend;
  const auto prompt_of = [&](std::string result, std::string tool_choice) {
    ChatRequest request = asking("Where is order 4711?");
    request.max_tokens = 8;
    request.tools = {json::parse(R"({"type": "function", "function": {"name": "lookup_order",
      "parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}}}})")
                         .value()};
    request.tool_choice = std::move(tool_choice);
    request.output_schema = json::parse(R"({"type": "object", "required": ["urgent"],
      "properties": {"urgent": {"type": "boolean"}}})").value();
    request.messages.push_back(json::parse(R"({"role": "assistant", "tool_calls": [{"id": "1",
      "function": {"name": "lookup_order", "arguments": {"order_id": "4711"}}}]})").value());
    request.messages.push_back(json::Object{
        {"role", "tool"}, {"tool_call_id", "1"}, {"content", std::move(result)}});
    const auto answer = ask(backend, std::move(request));
    EXPECT_TRUE(answer.ok()) << answer.error().text();
    return answer.ok() ? answer->evidence.prompt_ids : decltype(answer->evidence.prompt_ids)();
  };
  const auto spaced = prompt_of(R"({"status": "packed", "n": [1.50, 2]})", "auto");
  EXPECT_EQ(prompt_of(R"({"status":"packed","n":[1.50,2]})", "auto"), spaced);
  EXPECT_EQ(prompt_of("{\n  \"status\": \"packed\",\n  \"n\": [1.50, 2]\n}", "auto"), spaced);
  EXPECT_NE(prompt_of("I think: 1,2", "auto"), prompt_of("I think: 1, 2", "auto"));
  EXPECT_EQ(prompt_of(R"({"status":"packed","n":[1.50,2]})", "none"), spaced);
}

}  // namespace
}  // namespace weft::backend
