// SPDX-License-Identifier: Apache-2.0
//
// Calls of tools by the model of this process: those on offer, with arguments that fit, whole and
// while they are written.
#include <gtest/gtest.h>

#include <set>

#include "backend/local.h"
#include "backend/test_ask.h"
#include "schema/validator.h"

namespace weft::backend {
namespace {

json::Array weather_tools() {
  return json::parse(R"([
    {"type": "function", "function": {"name": "lookup_order", "parameters": {"type": "object",
      "required": ["order_id"], "properties": {"order_id": {"type": "string", "maxLength": 12}}}}},
    {"type": "function", "function": {"name": "rate", "parameters": {"type": "object",
      "required": ["stars", "mood"], "properties": {"stars": {"type": "integer", "minimum": 1,
      "maximum": 5}, "mood": {"$ref": "#/$defs/m"}}, "$defs": {"m": {"enum": ["good", "bad"]}}}}},
    {"type": "function", "function": {"name": "ping"}}])").value().as_array();
}

// Calls in pieces, as they were written, are the calls of the whole answer.
void expect_streamed(const std::vector<chat::CallPiece>& pieces, const ChatResult& result) {
  std::vector<chat::CallPiece> joined;
  for (const chat::CallPiece& piece : pieces) chat::append_piece(joined, piece);
  ASSERT_EQ(joined.size(), result.calls.size());
  ASSERT_EQ(joined.size(), result.tool_calls.size());
  for (size_t i = 0; i < joined.size(); ++i) {
    const json::Value& function = result.tool_calls[i].at("function");
    EXPECT_EQ(joined[i].arguments, result.calls[i].arguments);
    EXPECT_EQ(joined[i].name, std::string(function.at("name").as_string()));
    EXPECT_EQ(json::parse(joined[i].arguments).value(), function.at("arguments"));
    EXPECT_TRUE(joined[i].done && result.calls[i].done);
  }
  EXPECT_GT(pieces.size(), 2 * joined.size());
}

// At a temperature at which the model knows nothing any more.
TEST(LocalCalls, RequiredCallsAreThoseOnOfferWithValidArguments) {
  LocalBackend backend;
  const auto tools = chat::parse_tools(weather_tools()).value();
  std::set<std::string> called;
  for (int64_t i = 0; i < 60; ++i) {
    ChatRequest request = request_for("Where is order A-1?");
    request.tools = weather_tools();
    request.tool_choice = "required";
    request.parallel_tool_calls = i % 2 == 0;
    request.temperature = 5;
    request.seed = static_cast<uint64_t>(i);
    request.max_tokens = 30 + 3 * i;
    std::string streamed;
    std::vector<chat::CallPiece> pieces;
    const auto result = ask(backend, request, &streamed, &pieces);
    ASSERT_TRUE(result.ok()) << result.error().text();
    EXPECT_TRUE(result->content.empty()) << result->content;
    expect_streamed(pieces, *result);
    EXPECT_FALSE(result->tool_calls.empty());
    if (!request.parallel_tool_calls) {
      EXPECT_EQ(result->tool_calls.size(), 1U);
    }
    for (const json::Value& call : result->tool_calls) {
      const json::Object& function = call.as_object().at("function").as_object();
      const std::string name(function.at("name").as_string());
      const chat::Tool* tool = chat::find_tool(tools, name);
      ASSERT_NE(tool, nullptr) << name;
      called.insert(name);
      const auto schema = schema::Schema::parse(json::Value(tool->parameters)).value();
      EXPECT_TRUE(schema::validate(schema, function.at("arguments")).empty())
          << json::dump(call);
    }
    EXPECT_EQ(result->finish_reason, "tool_calls");
  }
  EXPECT_EQ(called.size(), 3U);
}

TEST(LocalCalls, ToolChoiceNamesOneToolOrNone) {
  LocalBackend backend;
  ChatRequest request = request_for("Where is order A-1?");
  request.tools = weather_tools();
  request.tool_choice =
      json::Object{{"type", "function"}, {"function", json::Object{{"name", "rate"}}}};
  auto result = ask(backend, request);
  ASSERT_TRUE(result.ok()) << result.error().text();
  ASSERT_FALSE(result->tool_calls.empty());
  EXPECT_EQ(result->tool_calls[0].at("function").at("name"), "rate");
  request.tool_choice = "none";
  result = ask(backend, request);
  ASSERT_TRUE(result.ok()) << result.error().text();
  EXPECT_TRUE(result->tool_calls.empty());
  request.tool_choice = json::Object{{"name", "fly"}};
  EXPECT_EQ(ask(backend, request).error().code, "E0744");
  request.tool_choice = "required";
  request.max_tokens = 3;
  EXPECT_EQ(ask(backend, request).error().code, "E0326");
  request.tools[0].at("function").at("parameters").as_object()["minProperties"] = -1;
  EXPECT_NE(ask(backend, request).error().text().find("lookup_order"), std::string::npos);
}

TEST(LocalCalls, AToolThatNothingCanBeCopiedForIsNotCalled) {
  LocalBackend backend;
  ChatRequest request = request_for("Where is my order?");
  request.tools = weather_tools();
  json::Value& order = request.tools[0].at("function").at("parameters").at("properties")
                           .at("order_id");
  order = json::parse(R"({"type": "string", "pattern": "\\d", "x-weft-verbatim": true})").value();
  request.tool_choice = "required";
  for (uint64_t seed = 0; seed < 10; ++seed) {
    request.seed = seed;
    request.temperature = 5;
    const auto result = ask(backend, request);
    ASSERT_TRUE(result.ok()) << result.error().text();
    for (const json::Value& call : result->tool_calls) {
      EXPECT_NE(call.at("function").at("name"), "lookup_order");
    }
  }
  request.tools.resize(1);
  json::Array root = request.tools;
  root[0].at("function").at("parameters").as_object()["x-weft-verbatim"] = true;
  std::swap(root, request.tools);
  EXPECT_EQ(ask(backend, request).error().code, "E0301") << "all arguments are no field";
  std::swap(root, request.tools);
  const auto none = ask(backend, request);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, "E0324");
  request.tool_choice = nullptr;
  EXPECT_TRUE(ask(backend, request).ok()) << "it may still answer in words";
}

}  // namespace
}  // namespace weft::backend
