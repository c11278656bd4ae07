// SPDX-License-Identifier: Apache-2.0
#include "text/json_spelling.h"

#include <gtest/gtest.h>

#include <cmath>

namespace weft::text {
namespace {

std::string value_text(std::string_view json, std::string_view field) {
  const auto range = value_range(json, field);
  return range ? std::string(json.substr(range->begin, range->end - range->begin)) : "(none)";
}

TEST(Probability, FindsTheValueOfAField) {
  const std::string_view json =
      R"({ "a": "x, \"y\" }", "b": {"c": [1, {"c": 2}], "d/e": 3.5}, "é": null , "n": -12})";
  EXPECT_EQ(value_text(json, "a"), R"("x, \"y\" }")");
  EXPECT_EQ(value_text(json, "b"), R"({"c": [1, {"c": 2}], "d/e": 3.5})");
  EXPECT_EQ(value_text(json, "/b/c"), R"([1, {"c": 2}])");
  EXPECT_EQ(value_text(json, "/b/d~1e"), "3.5");
  EXPECT_EQ(value_text(json, "é"), "null");
  EXPECT_EQ(value_text(json, "n"), "-12");
  EXPECT_EQ(value_text(json, "c"), "(none)");
  EXPECT_EQ(value_text(json, "/b/c/c"), "(none)");
  EXPECT_EQ(value_text(R"({"\u0061": 1})", "a"), "1");
}

TEST(Probability, TextThatIsNoObjectHasNone) {
  for (const char* text : {"", "{", "{\"", "{\"a", "{\"a\"", "{\"a\":", "[1]", "\"a\"", "{a: 1}",
                           "{\"b\": 1 \"a\": 2}", "{\"b\": \"\\"}) {
    const auto range = value_range(text, "a");
    EXPECT_TRUE(!range || range->begin <= range->end) << text;
    EXPECT_EQ(field_probability({}, text, "a"), std::nullopt) << text;
  }
}

TEST(Probability, IsTheProductOfTheTokensThatSpellTheValue) {
  const float half = std::log(0.5F);
  // "billing" is spelled by two tokens; the second also closes it.
  const std::vector<TokenText> tokens = {{"<think>", half}, {"{\"c\": \"", half}, {"bill", half},
                                         {"ing\", \"u\": ", half},  {"5", half}, {"}", half},
                                         {"<|im_end|>", half}};
  const std::string answer = R"({"c": "billing", "u": 5})";
  // The opening quote is part of the value's text and belongs to the token before.
  EXPECT_NEAR(*field_probability(tokens, answer, "c"), 0.125, 1e-6);
  // 5 could have become 50: the token behind it decides too.
  EXPECT_NEAR(*field_probability(tokens, answer, "u"), 0.25, 1e-6);
  EXPECT_EQ(field_probability(tokens, answer, "x"), std::nullopt);
  EXPECT_EQ(field_probability(tokens, R"({"c": "other"})", "c"), std::nullopt);
}

TEST(Probability, RoundingNeverMakesItMoreThanCertain) {
  EXPECT_EQ(*field_probability({{"{\"a\": 1}", 1e-6F}}, "{\"a\": 1}", "a"), 1);
}

}  // namespace
}  // namespace weft::text
