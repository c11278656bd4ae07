// SPDX-License-Identifier: Apache-2.0
#include "chat/spaced_json.h"

#include <gtest/gtest.h>

namespace weft::chat {
namespace {

TEST(SpacedJson, HasOneSpaceBehindCommasAndColons) {
  EXPECT_EQ(spaced_json(R"({"status":"packed","n":[1,2,{}],"e":[]})"),
            R"({"status": "packed", "n": [1, 2, {}], "e": []})");
  EXPECT_EQ(spaced_json("{\n  \"a\" :\t1,\r\n  \"b\": [ true , null ]\n}\n"),
            R"({"a": 1, "b": [true, null]})");
  const std::string spaced = R"({"a": 1, "b": [true, null]})";
  EXPECT_EQ(spaced_json(spaced), spaced);
}

TEST(SpacedJson, KeepsNumbersAndStringsByteForByte) {
  EXPECT_EQ(spaced_json(R"({"a,b":"x:y,  \"z\\","n":1.50e+03,"u":"\u00e9 \/","k":"값,:"})"),
            R"({"a,b": "x:y,  \"z\\", "n": 1.50e+03, "u": "\u00e9 \/", "k": "값,:"})");
  EXPECT_EQ(spaced_json(R"({"n":12345678901234567890123.10,"a":1})"),
            R"({"n": 12345678901234567890123.10, "a": 1})");
}

TEST(SpacedJson, LeavesEverythingElseAsItWas) {
  constexpr std::string_view kTexts[] = {
      "", "a,b:c", "\"a,b\"", "1,5", "{\"a\":1", "{\"a\":1} and more",
      "The order is packed:today,I think", "[cut] {\"a\":1}", "{\"a\":1,\"a\":2}"};
  for (const std::string_view text : kTexts) {
    EXPECT_EQ(spaced_json(text), text);
  }
}

TEST(SpacedJson, IsForToolMessagesOnly) {
  const std::string compact = R"({"a":1})";
  std::vector<Message> messages{{.role = "system", .content = compact},
                                {.role = "user", .content = compact},
                                {.role = "assistant", .content = compact},
                                {.role = "tool", .content = compact},
                                {.role = "tool"}};
  space_tool_results(messages);
  for (const size_t i : {0, 1, 2}) EXPECT_EQ(messages[i].content, compact) << i;
  EXPECT_EQ(messages[3].content, R"({"a": 1})");
  EXPECT_FALSE(messages[4].content.has_value());
}

}  // namespace
}  // namespace weft::chat
