// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(Strings, InvalidUtf8IsFoundAtItsFirstByte) {
  EXPECT_EQ(invalid_utf8_at("제품 ok"), std::nullopt);
  EXPECT_EQ(invalid_utf8_at("ab\xff"), 2U);
  EXPECT_EQ(invalid_utf8_at("\xed\xa0\x80"), 0U);      // a surrogate
  EXPECT_EQ(invalid_utf8_at("a\xc0\xaf"), 1U);         // overlong
  EXPECT_EQ(invalid_utf8_at("\xf4\x90\x80\x80"), 0U);  // beyond U+10FFFF
  EXPECT_EQ(invalid_utf8_at("\xe2\x82"), 0U);          // cut short
}

TEST(Strings, QuotedEscapesAndCuts) {
  EXPECT_EQ(quoted("a\nb\x01\xff"), "'a\\nb\\x01\\xff'");
  EXPECT_EQ(quoted("제품제품", 6), "'제품…'");
}

TEST(Strings, ABeginningEndsBetweenTwoCharacters) {
  EXPECT_EQ(beginning("제품", 6), "제품");
  EXPECT_EQ(beginning("제품", 5), "제");
  EXPECT_EQ(beginning("제품", 3), "제");
  EXPECT_EQ(beginning("제품", 2), "");
  EXPECT_EQ(beginning("abc", 2), "ab");
  EXPECT_EQ(beginning("", 2), "");
}

TEST(Strings, NearestName) {
  const std::vector<std::string> names = {"dependencies", "parameters", "timeout"};
  EXPECT_EQ(nearest_name("dependancies", names), "dependencies");
  EXPECT_EQ(nearest_name("tiemout", names), "timeout");
  EXPECT_EQ(nearest_name("xyz", names), std::nullopt);
  EXPECT_EQ(name_hint("xyz", names), "expected one of dependencies, parameters, timeout");
}

TEST(Strings, PlacesCountCharacters) {
  const Place place = place_of("a\n제품x", 9);
  EXPECT_EQ(place.line, 2);
  EXPECT_EQ(place.column, 4);
}

TEST(Strings, SplitTrimJoin) {
  EXPECT_EQ(split("a,,b", ',').size(), 3U);
  EXPECT_EQ(trim(" \t x \n"), "x");
  EXPECT_EQ(join(std::vector<std::string>{"a", "b"}, "-"), "a-b");
}

}  // namespace
}  // namespace weft
