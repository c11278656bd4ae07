// SPDX-License-Identifier: Apache-2.0
#include "schema/pointer.h"

#include <gtest/gtest.h>

namespace weft::schema {
namespace {

// The examples of RFC 6901, section 5.
TEST(Pointer, FindsTheExamplesOfTheRfc) {
  const json::Value root = json::parse(R"({"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,)"
                                       R"("g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8})")
                               .value();
  EXPECT_EQ(*find(root, ""), &root);
  EXPECT_EQ((*find(root, "/foo/0"))->as_string(), "bar");
  const std::pair<const char*, int> cases[] = {{"/", 0},     {"/a~1b", 1}, {"/c%d", 2},
                                               {"/e^f", 3},  {"/g|h", 4},  {"/i\\j", 5},
                                               {"/k\"l", 6}, {"/ ", 7},    {"/m~0n", 8}};
  for (const auto& [pointer, number] : cases) {
    ASSERT_TRUE(find(root, pointer).ok()) << pointer;
    EXPECT_EQ((*find(root, pointer))->as_int64(), number) << pointer;
  }
}

TEST(Pointer, RefusesWhatNamesNothing) {
  const json::Value root = json::parse(R"({"foo":["bar"]})").value();
  for (const char* bad : {"foo", "/foo/1", "/foo/01", "/foo/-", "/foo/0/x", "/fo", "/~2", "/foo~",
                          "/foo/99999999999999999999"}) {
    const auto found = find(root, bad);
    ASSERT_FALSE(found.ok()) << bad;
    EXPECT_EQ(found.error().code, "E0305") << bad;
  }
  EXPECT_NE(find(root, "/foo/7").error().message.find("/foo is array without '7'"),
            std::string::npos);
}

TEST(Pointer, StepsSurviveTheRoundTrip) {
  std::string pointer;
  const std::vector<std::string> steps = {"a/b", "~", "", "~1", "é"};
  for (const std::string& step : steps) append_step(pointer, step);
  EXPECT_EQ(*parse_pointer(pointer), steps);
}

}  // namespace
}  // namespace weft::schema
