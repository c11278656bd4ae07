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

// In XML a list of texts is written without quotes, so the reader has to know that it is one.
TEST(AnswerForm, CallsAreReadByTheSchemaThatTheirGrammarHolds) {
  Models models;
  const auto model = models.get("default").value();
  model->dialect->call_format = chat::CallFormat::kXml;
  ChatRequest request = request_for("Where is order A-17?");
  request.tools = json::parse(R"([{"name": "find", "parameters": {"type": "object",
      "required": ["order"], "properties": {"order": {"x-weft-verbatim": true}}}}])")
                      .value().as_array();
  const auto form = answer_form(*model, request);
  ASSERT_TRUE(form.ok()) << form.error().text();
  ASSERT_NE(form->calls.grammar, nullptr);
  chat::CallReader reader(chat::CallFormat::kXml, 0, true);
  const auto piece = reader.add("\n<function=find>\n<parameter=order>\nA-17\n</parameter>\n"
                                "</function>\n", form->calls.tools);
  ASSERT_TRUE(piece.has_value());
  EXPECT_EQ(piece->arguments, R"({"order": "A-17"})");
}

}  // namespace
}  // namespace weft::backend
