// SPDX-License-Identifier: Apache-2.0
#include "backend/answer_form.h"

#include <gtest/gtest.h>

#include "backend/local.h"
#include "backend/test_ask.h"

namespace weft::backend {
namespace {

// An object of ten fields that are to be copied.
json::Value copied_fields() {
  json::Object properties;
  for (int i = 0; i < 10; ++i) {
    properties[fmt::format("f{}", i)] = json::Object{{"type", "string"}, {"x-weft-verbatim", true}};
  }
  return json::Object{{"type", "object"}, {"properties", std::move(properties)}};
}

// Each field looks at some 24,000 runs of words: ten may, twenty may not, wherever they stand.
TEST(AnswerForm, ToolsAndAnswerOfARequestHaveOneBudgetForCopying) {
  LocalBackend backend;
  std::string said;
  for (int i = 0; i < 4'000; ++i) said += i % 2 == 0 ? "yes " : "no ";
  ChatRequest request = charged_twice();
  request.messages[0].as_object()["content"] = said;
  const json::Array tools{json::Object{
      {"type", "function"},
      {"function", json::Object{{"name", "note"}, {"parameters", copied_fields()}}}}};
  const auto refused = [&] {
    const auto result = ask(backend, request);
    return !result.ok() && result.error().code == "E0323";
  };
  request.tools = tools;
  EXPECT_FALSE(refused()) << "the tool alone";
  request.output_schema = copied_fields();
  EXPECT_TRUE(refused()) << "both";
  request.tools = {};
  EXPECT_FALSE(refused()) << "the answer alone";
}

}  // namespace
}  // namespace weft::backend
