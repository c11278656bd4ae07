// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <gtest/gtest.h>

#include <limits>

namespace weft::json {
namespace {

std::string error_of(std::string_view text, const ParseOptions& options = {}) {
  const auto result = parse(text, options);
  return result.ok() ? "no error" : result.error().code + " " + result.error().message;
}

TEST(Json, RoundTripKeepsOrderAndNumbers) {
  const std::string text =
      R"({"z":1,"a":[true,null,-0.0,1e-07,1e+22,0.1,18446744073709551615,"x\n"]})";
  EXPECT_EQ(dump(*parse(text)), text);
}

TEST(Json, DumpForms) {
  const Value value = *parse(R"({"b":[1,{}],"a":"é😀"})");
  EXPECT_EQ(dump(value, {.spaces = true}), R"({"b": [1, {}], "a": "é😀"})");
  EXPECT_EQ(dump(value, {.spaces = true, .ascii_only = true}),
            R"({"b": [1, {}], "a": "\u00e9\ud83d\ude00"})");
  EXPECT_EQ(dump(value, {.indent = 2}),
            "{\n  \"b\": [\n    1,\n    {}\n  ],\n  \"a\": \"é😀\"\n}");
  EXPECT_EQ(canonical(value), R"({"a":"é😀","b":[1,{}]})");
}

// Python 3: repr(x) for each.
TEST(Json, NumberTextIsPythons) {
  EXPECT_EQ(number_text(1.0), "1.0");
  EXPECT_EQ(number_text(0.1 + 0.2), "0.30000000000000004");
  EXPECT_EQ(number_text(1e15), "1000000000000000.0");
  EXPECT_EQ(number_text(1e16), "1e+16");
  EXPECT_EQ(number_text(123456789012345680.0), "1.2345678901234568e+17");
  EXPECT_EQ(number_text(0.0001), "0.0001");
  EXPECT_EQ(number_text(0.00001), "1e-05");
  EXPECT_EQ(number_text(-0.0), "-0.0");
  EXPECT_EQ(number_text(std::numeric_limits<double>::denorm_min()), "5e-324");
  EXPECT_EQ(number_text(std::numeric_limits<double>::max()), "1.7976931348623157e+308");
}

TEST(Json, ErrorsNameThePlace) {
  EXPECT_EQ(error_of("{\"a\": 1,\n \"a\": 2}"),
            "E0012 line 2 column 4: key 'a' stands twice in one object");
  EXPECT_EQ(error_of("[1, 2"), "E0010 line 1 column 6: JSON ends too early");
  EXPECT_EQ(error_of("[] x").substr(0, 24), "E0010 line 1 column 4: t");
  EXPECT_EQ(error_of("").substr(0, 5), "E0010");
  EXPECT_NE(error_of("\"\xff\"").find("its bytes are not UTF-8"), std::string::npos);
  EXPECT_EQ(error_of("[x, \"\xff\"]").find("UTF-8"), std::string::npos);
  for (const char* half : {R"("\ud800")", R"("\ud800x")", R"("\udc00")", R"("\ud800\u0041")"}) {
    EXPECT_NE(error_of(half).find("half of a surrogate pair"), std::string::npos) << half;
  }
}

TEST(Json, LimitsHold) {
  const std::string deep(300, '[');
  EXPECT_EQ(error_of(deep).substr(0, 5), "E0011");
  EXPECT_EQ(error_of("[1]", {.bytes_max = 2}).substr(0, 5), "E0011");
  const std::string big = "[123456789012345678901234567890]";
  EXPECT_EQ(dump(*parse(big)), "[\"123456789012345678901234567890\"]");
  EXPECT_EQ(error_of(big, {.big_integers = ParseOptions::BigIntegers::kRefuse}).substr(0, 5),
            "E0013");
  ParseOptions doubles;
  doubles.big_integers = ParseOptions::BigIntegers::kAsDouble;
  EXPECT_EQ(parse("-123456789012345678901234567890", doubles).value(),
            Value(-123456789012345678901234567890.0));
}

TEST(Json, RequireNamesTheField) {
  const Value value = *parse(R"({"hidden_size": "x"})");
  const Object& object = value.as_object();
  EXPECT_EQ(require_int(object, "hidden_size", "config.json").error().message,
            "config.json: field 'hidden_size' should be an integer, found string");
  EXPECT_EQ(require_int(object, "hiden_size", "config.json").error().hint,
            "there is a field 'hidden_size'");
}

TEST(Json, InvalidUtf8IsReplacedWhenWritten) {
  std::string out;
  append_quoted(out, "a\xff\xed\xa0z");
  EXPECT_EQ(out, "\"a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz\"");
}

}  // namespace
}  // namespace weft::json
