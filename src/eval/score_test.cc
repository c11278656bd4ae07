// SPDX-License-Identifier: Apache-2.0
#include "eval/score.h"

#include <gtest/gtest.h>

#include <cmath>

namespace weft::eval {
namespace {

Case case_of(const std::string& line) {
  auto read = read_cases(line, "s.jsonl");
  EXPECT_TRUE(read.ok()) << (read.ok() ? "" : read.error().text());
  return read.ok() ? read->at(0) : Case{};
}

Case expecting(const std::string& expect) {
  return case_of("{\"input\": \"x\", \"expect\": " + expect + "}");
}

bool right(const Case& item, const std::string& answer, std::string_view measure) {
  const CaseResult result = score(item, answer_of_text(answer));
  const Mark* mark = result.mark(measure);
  EXPECT_NE(mark, nullptr) << measure;
  return mark != nullptr && mark->right;
}

json::Value parsed(std::string_view text) { return json::parse(text).value(); }

TEST(Score, ValuesAreComparedAsData) {
  EXPECT_TRUE(same_value(parsed("4"), parsed("4.0")));
  EXPECT_TRUE(same_value(parsed(R"({"a": 1, "b": [2]})"), parsed(R"({"b": [2.0], "a": 1})")));
  EXPECT_FALSE(same_value(parsed("[1, 2]"), parsed("[2, 1]")));
  EXPECT_FALSE(same_value(parsed("[1]"), parsed("[1, 1]")));
  EXPECT_FALSE(same_value(parsed("\"4\""), parsed("4")));
  EXPECT_FALSE(same_value(parsed("null"), parsed("false")));
  EXPECT_FALSE(same_value(parsed(R"({"a": 1})"), parsed(R"({"a": 1, "b": 2})")));
}

TEST(Score, ExactFieldsAndForm) {
  const Case item = expecting(R"({"category": "billing", "/deep/er": 2})");
  EXPECT_TRUE(right(item, R"({"category": "billing", "deep": {"er": 2.0}})", "$all"));
  EXPECT_TRUE(right(item, "```json\n{\"category\": \"billing\"}\n```", "category"));
  EXPECT_FALSE(right(item, R"({"category": "billing"})", "/deep/er"));
  EXPECT_FALSE(right(item, R"({"category": "billing"})", "$all"));
  EXPECT_TRUE(right(item, R"({"category": 3})", "$valid"));
  EXPECT_FALSE(right(item, R"([1])", "$valid"));
  EXPECT_FALSE(right(item, "billing", "$valid"));
  EXPECT_FALSE(right(item, "billing", "category"));
}

TEST(Score, NearNumbersHaveTwoMeasures) {
  const Case item = expecting(R"({"urgency": {"$near": 4, "within": 1}})");
  EXPECT_TRUE(right(item, R"({"urgency": 5})", "urgency within 1"));
  EXPECT_FALSE(right(item, R"({"urgency": 5})", "urgency"));
  EXPECT_TRUE(right(item, R"({"urgency": 5})", "$all"));
  EXPECT_FALSE(right(item, R"({"urgency": 2})", "urgency within 1"));
  EXPECT_FALSE(right(item, R"({"urgency": "4"})", "urgency within 1"));
  EXPECT_TRUE(right(item, R"({"urgency": 4.0})", "urgency"));
}

TEST(Score, SetsHaveNoOrderAndNoDoubles) {
  const Case item = expecting(R"({"actions": {"$set": ["a", "b"]}})");
  EXPECT_TRUE(right(item, R"({"actions": ["b", "a"]})", "actions"));
  EXPECT_FALSE(right(item, R"({"actions": ["b", "a", "a"]})", "actions"));
  EXPECT_FALSE(right(item, R"({"actions": ["a"]})", "actions"));
  EXPECT_FALSE(right(item, R"({"actions": "ab"})", "actions"));
}

Answer calling(std::string_view calls) {
  Answer answer = answer_of_text("");
  answer.tool_calls = parsed(calls).as_array();
  return answer;
}

TEST(Score, ToolCallsAreExactOrWrong) {
  const Case item = expecting(R"({"$call": {"name": "f", "arguments": {"a": "1"}}})");
  const auto marks = [&](const Answer& answer) {
    const CaseResult result = score(item, answer);
    return fmt::format("{}{}{}", result.mark("$call name")->right, result.mark("$call")->right,
                       result.mark("$valid")->right);
  };
  EXPECT_EQ(marks(calling(R"([{"function": {"name": "f", "arguments": {"a": "1"}}}])")),
            "truetruetrue");
  EXPECT_EQ(marks(calling(R"([{"function": {"name": "f", "arguments": {"a": "2"}}}])")),
            "truefalsetrue");
  EXPECT_EQ(marks(calling(R"([{"function": {"name": "g", "arguments": {"a": "1"}}}])")),
            "falsefalsetrue");
  EXPECT_EQ(marks(calling(R"([{"function": {"name": "f", "arguments": {"a": "1"}}},
                              {"function": {"name": "f", "arguments": {"a": "1"}}}])")),
            "falsefalsetrue");
  EXPECT_EQ(marks(calling("[]")), "falsefalsefalse");
  const Case none = expecting(R"({"$call": null, "$text": "hello"})");
  EXPECT_TRUE(right(none, " hello\n", "$all"));
  const CaseResult called = score(none, calling(R"([{"function": {"name": "f"}}])"));
  EXPECT_FALSE(called.mark("$call")->right);
}

TEST(Score, AnErrorIsWrongEverywhere) {
  Answer answer;
  answer.error = make_error("E0731", "too long");
  const CaseResult result = score(expecting(R"({"a": 1, "$text": "", "$call": null})"), answer);
  for (const Mark& mark : result.marks) EXPECT_FALSE(mark.right) << mark.measure;
  EXPECT_EQ(result.error, "E0731");
  EXPECT_EQ(result.answer, answer.error->text());
}

TEST(Score, TheProbabilityIsThatOfTheValueFound) {
  Answer answer = answer_of_text(R"({"a": "x"})");
  const float half = std::log(0.5F);
  answer.spellings = {{R"({"b": 1})", {{R"({"b": 1})", half}}},
                      {R"({"a": "y"})", {{R"({"a": "y"})", half}}},
                      {R"({"a": "x"})", {{R"({"a": )", half}, {R"("x"})", half}}}};
  const CaseResult result = score(expecting(R"({"a": "z"})"), answer);
  ASSERT_EQ(result.fields.size(), 1U);
  EXPECT_EQ(result.fields[0].expected, "z");
  EXPECT_EQ(result.fields[0].found, "x");
  EXPECT_FALSE(result.fields[0].right);
  ASSERT_TRUE(result.fields[0].probability.has_value());
  EXPECT_NEAR(*result.fields[0].probability, 0.5, 1e-6);
}

TEST(Score, AWorkflowMayNameTheFieldAnew) {
  Answer answer;
  answer.value = parsed(R"({"first": {"a": 7}})");
  answer.has_value = true;
  answer.spellings = {{R"({"a": 7})", {{R"({"a": 7)", std::log(0.25F)}, {"}", 0}}}};
  const CaseResult result = score(expecting(R"({"/first/a": 7})"), answer);
  EXPECT_TRUE(result.fields.at(0).right);
  EXPECT_NEAR(result.fields[0].probability.value_or(0), 0.25, 1e-6);
}

}  // namespace
}  // namespace weft::eval
