// SPDX-License-Identifier: Apache-2.0
#include "eval/calls.h"

#include <gtest/gtest.h>

namespace weft::eval {
namespace {

json::Value value_of(std::string_view text) { return json::parse(text).value(); }

// {"f": {…}} pairs in order -> calls in OpenAI's form
json::Array calls_of(std::string_view text) {
  json::Array out;
  const json::Value pairs = value_of(text);
  for (const json::Value& pair : pairs.as_array()) {
    const auto& call = *pair.as_object().begin();
    out.push_back(json::Object{
        {"type", "function"},
        {"function", json::Object{{"name", call.key()}, {"arguments", call.value()}}}});
  }
  return out;
}

bool accepted(std::string_view expected, std::string_view calls) {
  const json::Value list = value_of(expected);
  EXPECT_TRUE(check_accepted_calls(list).ok()) << expected;
  return calls_accepted(list.as_array(), calls_of(calls));
}

constexpr std::string_view kArea =
    R"([{"name": "area", "arguments": {"base": [10], "unit": ["sq. cm", "units", ""]}}])";

TEST(AcceptedCalls, EachArgumentHasARightValue) {
  EXPECT_TRUE(accepted(kArea, R"([{"area": {"base": 10, "unit": "units"}}])"));
  EXPECT_TRUE(accepted(kArea, R"([{"area": {"base": 10.0, "unit": "units"}}])"));
  EXPECT_FALSE(accepted(kArea, R"([{"area": {"base": 11, "unit": "units"}}])"));
  EXPECT_FALSE(accepted(kArea, R"([{"area": {"base": "10", "unit": "units"}}])"));
  EXPECT_FALSE(accepted(kArea, R"([{"perimeter": {"base": 10, "unit": "units"}}])"));
}

TEST(AcceptedCalls, AnEmptyTextLetsAnArgumentBeMissing) {
  EXPECT_TRUE(accepted(kArea, R"([{"area": {"base": 10}}])"));
  EXPECT_FALSE(accepted(kArea, R"([{"area": {"unit": "units"}}])"));
  EXPECT_FALSE(accepted(kArea, R"([{"area": {"base": 10, "height": 5}}])"));
}

TEST(AcceptedCalls, SpellingOfTextsDoesNotCount) {
  EXPECT_TRUE(accepted(kArea, R"([{"area": {"base": 10, "unit": "SQ-CM"}}])"));
  EXPECT_FALSE(accepted(kArea, R"([{"area": {"base": 10, "unit": "sqkm"}}])"));
  EXPECT_TRUE(accepted(R"([{"name": "f", "arguments": {"q": ["it's"]}}])",
                       R"([{"f": {"q": "It\"s"}}])"));
}

TEST(AcceptedCalls, ListsAreEqualElementByElement) {
  constexpr std::string_view kList =
      R"([{"name": "f", "arguments": {"xs": [[1, 2], ["a", "b"]]}}])";
  EXPECT_TRUE(accepted(kList, R"([{"f": {"xs": [1, 2.0]}}])"));
  EXPECT_TRUE(accepted(kList, R"([{"f": {"xs": ["A", "b."]}}])"));
  EXPECT_FALSE(accepted(kList, R"([{"f": {"xs": [2, 1]}}])"));
  EXPECT_FALSE(accepted(kList, R"([{"f": {"xs": [1]}}])"));
}

TEST(AcceptedCalls, ObjectsSayForEachMemberWhatIsRight) {
  constexpr std::string_view kObject =
      R"([{"name": "f", "arguments": {"to": [{"city": ["Seoul", "서울"], "zip": [1, ""]}]}}])";
  EXPECT_TRUE(accepted(kObject, R"([{"f": {"to": {"city": "서울"}}}])"));
  EXPECT_TRUE(accepted(kObject, R"([{"f": {"to": {"city": "seoul", "zip": 1}}}])"));
  EXPECT_FALSE(accepted(kObject, R"([{"f": {"to": {"city": "Busan"}}}])"));
  EXPECT_FALSE(accepted(kObject, R"([{"f": {"to": {"city": "Seoul", "street": "1"}}}])"));
  EXPECT_FALSE(accepted(kObject, R"([{"f": {"to": "Seoul"}}])"));
}

TEST(AcceptedCalls, SeveralComeInAnyOrderAndEachOnce) {
  constexpr std::string_view kTwo =
      R"([{"name": "f", "arguments": {"x": [1]}}, {"name": "f", "arguments": {"x": [2]}}])";
  EXPECT_TRUE(accepted(kTwo, R"([{"f": {"x": 2}}, {"f": {"x": 1}}])"));
  EXPECT_FALSE(accepted(kTwo, R"([{"f": {"x": 1}}, {"f": {"x": 1}}])"));
  EXPECT_FALSE(accepted(kTwo, R"([{"f": {"x": 1}}])"));
  EXPECT_FALSE(accepted(kTwo, R"([{"f": {"x": 1}}, {"f": {"x": 2}}, {"f": {"x": 2}}])"));
  EXPECT_TRUE(
      call_names_accepted(value_of(kTwo).as_array(), calls_of(R"([{"f": {}}, {"f": {}}])")));
  EXPECT_TRUE(accepted("[]", "[]"));
  EXPECT_FALSE(accepted("[]", R"([{"f": {}}])"));
}

TEST(AcceptedCalls, CallsWithoutArgumentsAreNoCrash) {
  const json::Array none = value_of(R"([{"function": {"name": "area"}}, 3])").as_array();
  const json::Array list = value_of(kArea).as_array();
  EXPECT_FALSE(calls_accepted(list, none));
  EXPECT_EQ(called_name(none[1]), "(none)");
}

TEST(AcceptedCalls, WhatACaseAcceptsHasOneForm) {
  for (const std::string_view wrong :
       {R"({"name": "f", "arguments": {}})", R"([3])", R"([{"name": "f"}])",
        R"([{"name": 3, "arguments": {}}])", R"([{"name": "f", "arguments": {"x": 1}}])",
        R"([{"name": "f", "arguments": {}, "id": 1}])",
        R"([{"name": "f", "arguments": {"x": [{"y": 1}]}}])"}) {
    const Status status = check_accepted_calls(value_of(wrong));
    ASSERT_FALSE(status.ok()) << wrong;
    EXPECT_EQ(status.error().code, "E0920") << wrong;
  }
}

}  // namespace
}  // namespace weft::eval
