// SPDX-License-Identifier: Apache-2.0
#include "eval/case.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::eval {
namespace {

using testing::HasSubstr;

std::string refusal(const std::string& text, const ReadLimits& limits = {}) {
  const auto read = read_cases(text, "dir/some.jsonl", limits);
  if (read.ok()) return "(accepted)";
  EXPECT_EQ(read.error().code, "E0920");
  return read.error().text();
}

TEST(Case, ReadsEveryMember) {
  const auto good = read_cases(
      "\n{\"input\": \"one\", \"expect\": {\"category\": \"billing\", \"urgency\": {\"$near\": 4, "
      "\"within\": 1}, \"required_actions\": {\"$set\": [\"a\"]}, \"/deep/er\": null, "
      "\"o\": {\"$equal\": {\"$near\": 1}}}}\r\n"
      "{\"suite\": \"tools\", \"id\": \"t\", \"language\": \"es\", \"messages\": [{\"role\": "
      "\"user\", \"content\": \"hola\"}], \"tools\": [{}], \"expect\": {\"$call\": null, "
      "\"$text\": \"x\"}}\n\n",
      "dir/some.cases.jsonl");
  ASSERT_TRUE(good.ok()) << good.error().text();
  ASSERT_EQ(good->size(), 2U);
  const Case& first = good->at(0);
  EXPECT_EQ(first.suite, "some.cases");
  EXPECT_EQ(first.id.size(), 12U);
  EXPECT_EQ(first.place, "dir/some.cases.jsonl:2");
  EXPECT_EQ(first.input_text(), "one");
  ASSERT_EQ(first.expect.size(), 5U);
  EXPECT_EQ(first.expect[1].kind, Expectation::Kind::kNear);
  EXPECT_EQ(first.expect[1].within, 1);
  EXPECT_EQ(first.expect[2].kind, Expectation::Kind::kSet);
  EXPECT_EQ(first.expect[4].kind, Expectation::Kind::kEqual);
  EXPECT_TRUE(first.expect[4].value.is_object());
  EXPECT_FALSE(first.expects_call());
  EXPECT_EQ(good->at(1).suite, "tools");
  EXPECT_EQ(good->at(1).input_text(), "hola");
  EXPECT_EQ(good->at(1).expect[0].field, "$call");
  EXPECT_FALSE(good->at(1).expects_call());  // none is expected
}

TEST(Case, ByteOrderMarkIsNoPartOfTheFirstCase) {
  const auto read = read_cases("\xef\xbb\xbf{\"input\": \"x\", \"expect\": {\"a\": 1}}\n", "f");
  ASSERT_TRUE(read.ok()) << read.error().text();
  EXPECT_EQ(read->at(0).place, "f:1");
}

TEST(Case, PointersThatLeadNowhereAreRefused) {
  for (const char* bad : {"/a/~2", "/~", "/a~1b~"}) {
    const std::string said = refusal(
        fmt::format(R"({{"input": "x", "expect": {{"{}": 1}}}})", bad));
    EXPECT_THAT(said, HasSubstr(fmt::format("dir/some.jsonl:1: 'expect' has the JSON pointer '{}'",
                                            bad)));
    EXPECT_THAT(said, HasSubstr("~1 is /"));
  }
  EXPECT_EQ(refusal(R"({"input": "x", "expect": {"/a~1b~0": 1, "a~2": 1}})"), "(accepted)");
}

TEST(Case, RefusesWithLineAndHint) {
  EXPECT_THAT(refusal(""), HasSubstr("there is no case"));
  EXPECT_THAT(refusal("\n\n{\"input\": \"x\""), HasSubstr("dir/some.jsonl:3: "));
  EXPECT_THAT(refusal("[]"), HasSubstr("should be an object, found array"));
  EXPECT_THAT(refusal(R"({"input": "x"})"), HasSubstr("'expect' is missing"));
  EXPECT_THAT(refusal(R"({"input": "x", "expect": []})"), HasSubstr("found array"));
  EXPECT_THAT(refusal(R"({"input": "x", "expect": {}})"), HasSubstr("'expect' is empty"));
  EXPECT_THAT(refusal(R"({"input": 3, "expect": {"a": 1}})"), HasSubstr("found integer"));
  EXPECT_THAT(refusal(R"({"expect": {"a": 1}})"), HasSubstr("expected 'input' or 'messages'"));
  EXPECT_THAT(refusal(R"({"input": "x", "messages": [{}], "expect": {"a": 1}})"),
              HasSubstr("exclude each other"));
  EXPECT_THAT(refusal(R"({"messages": [3], "expect": {"a": 1}})"), HasSubstr("list of objects"));
  EXPECT_THAT(refusal(R"({"inptu": "x", "expect": {"a": 1}})"),
              HasSubstr("did you mean 'input'?"));
  EXPECT_THAT(refusal(R"({"id": "", "input": "x", "expect": {"a": 1}})"),
              HasSubstr("'id' is empty"));
  EXPECT_THAT(refusal(R"({"input": "x", "expect": {"$cal": {}}})"), HasSubstr("'$cal'"));
  EXPECT_THAT(refusal(R"({"input": "x", "expect": {"a": {"$nearr": 1}}})"),
              HasSubstr("did you mean '$near'?"));
  EXPECT_THAT(refusal(R"({"input": "x", "expect": {"a": {"$near": "1"}}})"),
              HasSubstr("'$near' should be a number"));
  EXPECT_THAT(refusal(R"({"input": "x", "expect": {"a": {"$near": 1, "within": -1}}})"),
              HasSubstr("0 or more"));
  EXPECT_THAT(refusal(R"({"input": "x", "expect": {"a": {"$near": 1, "by": 1}}})"),
              HasSubstr("beside"));
  EXPECT_THAT(refusal(R"({"input": "x", "expect": {"a": {"$set": 1}}})"), HasSubstr("a list"));
  EXPECT_THAT(refusal(R"({"input": "x", "expect": {"$call": {"name": "f"}}})"),
              HasSubstr("name and arguments"));
  EXPECT_THAT(refusal(R"({"input": "x", "input": "y", "expect": {"a": 1}})"), HasSubstr("input"));
  EXPECT_THAT(refusal("{\"input\": \"\xff\", \"expect\": {\"a\": 1}}"), HasSubstr(":1: "));
  EXPECT_THAT(refusal("{\"input\": \"x\", \"expect\": {\"a\": " + std::string(10'000, '[')),
              HasSubstr(":1: "));
}

TEST(Case, TheSameIdTwiceIsRefused) {
  const std::string one = R"({"id": "a", "input": "x", "expect": {"a": 1}})";
  EXPECT_THAT(refusal(one + "\n" + one), HasSubstr("also that of dir/some.jsonl:1"));
  const std::string nameless = R"({"input": "x", "expect": {"a": 1}})";
  EXPECT_THAT(refusal(nameless + "\n" + nameless), HasSubstr("the same case twice?"));
}

TEST(Case, LimitsHold) {
  const std::string one = R"({"input": "x", "expect": {"a": 1}})";
  const std::string other = R"({"input": "y", "expect": {"a": 1}})";
  EXPECT_THAT(refusal(one + "\n" + other, {.cases_max = 1}), HasSubstr("more than 1 cases"));
  EXPECT_THAT(refusal(one, {.line_bytes_max = 10}), HasSubstr("bytes in one line, at most 10"));
}

}  // namespace
}  // namespace weft::eval
