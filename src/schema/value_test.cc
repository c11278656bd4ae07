// SPDX-License-Identifier: Apache-2.0
#include "schema/value.h"

#include <gtest/gtest.h>

#include <cmath>

namespace weft::schema {
namespace {

json::Value number(std::string_view text) { return json::parse(text).value(); }

TEST(Value, IntegersAreJudgedByValue) {
  for (const char* yes : {"1", "1.0", "-0.0", "1e300", "18446744073709551615"}) {
    EXPECT_TRUE(is_integer(number(yes))) << yes;
  }
  for (const char* no : {"1.5", "1e-7", "\"1\"", "true", "null"}) {
    EXPECT_FALSE(is_integer(number(no))) << no;
  }
  EXPECT_FALSE(is_integer(json::Value(HUGE_VAL)));
  EXPECT_FALSE(is_integer(json::Value(std::nan(""))));
}

TEST(Value, ComparesIntegersWithDoublesExactly) {
  EXPECT_EQ(compare_numbers(number("9007199254740993"), number("9007199254740992.0")), 1);
  EXPECT_EQ(compare_numbers(number("9007199254740992"), number("9007199254740992.0")), 0);
  EXPECT_EQ(compare_numbers(number("18446744073709551615"), number("18446744073709551616.0")), -1);
  EXPECT_EQ(compare_numbers(number("-5"), number("-5.5")), 1);
  EXPECT_EQ(compare_numbers(number("-1e308"), number("-9223372036854775808")), -1);
  EXPECT_EQ(compare_numbers(number("3"), number("3.5")), -1);
}

TEST(Value, MultiplesAreJudgedInDecimal) {
  const std::pair<const char*, const char*> yes[] = {
      {"0.3", "0.1"}, {"19.99", "0.01"}, {"0.0075", "0.0001"}, {"1e308", "0.5"}, {"0", "0.7"},
      {"-9", "3"},    {"4.5", "1.5"},    {"1e22", "1e22"},     {"35", "0.7"},
      {"12391239123", "1e-8"}};
  for (const auto& [value, divisor] : yes) {
    EXPECT_TRUE(is_multiple(number(value), number(divisor))) << value << " by " << divisor;
  }
  const std::pair<const char*, const char*> no[] = {
      {"0.35", "0.1"}, {"0.00751", "0.0001"}, {"1e308", "0.123456789"}, {"7", "2"}, {"5", "10"},
      {"1", "18446744073709551615"}};
  for (const auto& [value, divisor] : no) {
    EXPECT_FALSE(is_multiple(number(value), number(divisor))) << value << " by " << divisor;
  }
}

TEST(Value, EqualValuesHashAlike) {
  const std::pair<const char*, const char*> pairs[] = {
      {"1", "1.0"}, {"[1,{\"a\":2,\"b\":3}]", "[1.0,{\"b\":3.0,\"a\":2}]"}, {"-0.0", "0"},
      {"18446744073709551615", "18446744073709551615"}};
  for (const auto& [a, b] : pairs) {
    EXPECT_TRUE(equal(number(a), number(b))) << a;
    EXPECT_EQ(hash_of(number(a)), hash_of(number(b))) << a;
  }
  EXPECT_FALSE(equal(number("1"), number("true")));
  EXPECT_FALSE(equal(number("[1,2]"), number("[2,1]")));
  EXPECT_FALSE(equal(number("{\"a\":1}"), number("{\"a\":1,\"b\":1}")));
}

TEST(Value, DepthIsMeasuredWithoutAStack) {
  EXPECT_FALSE(deeper_than(number("7"), 0));
  EXPECT_TRUE(deeper_than(number("[]"), 0));
  EXPECT_FALSE(deeper_than(number("[{\"a\":[]}]"), 3));
  EXPECT_TRUE(deeper_than(number("[{\"a\":[]}]"), 2));
  json::Value deep;
  for (int i = 0; i < 10'000; ++i) {
    json::Array outer;
    outer.push_back(std::move(deep));
    deep = std::move(outer);
  }
  EXPECT_TRUE(deeper_than(deep, 9'999));
  EXPECT_FALSE(deeper_than(deep, 10'000));
}

}  // namespace
}  // namespace weft::schema
