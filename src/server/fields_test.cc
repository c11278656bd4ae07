// SPDX-License-Identifier: Apache-2.0
#include "server/fields.h"

#include <gtest/gtest.h>

namespace weft::server {
namespace {

json::Object object(std::string_view text) { return json::parse(text)->as_object(); }

template <class T>
std::string problem(const Result<T>& result) {
  return result.ok() ? "none" : result.error().message;
}

TEST(Fields, ReadsWhatIsThere) {
  const json::Object body = object(
      R"({"t": "x", "b": true, "i": 5, "w": 5.0, "n": 0.5, "l": [1], "o": {}, "s": ["a", "b"],
          "z": null})");
  Fields fields(body);
  EXPECT_EQ(**fields.text("t"), "x");
  EXPECT_EQ(**fields.boolean("b"), true);
  EXPECT_EQ(**fields.integer("i", 0, 10), 5);
  EXPECT_EQ(**fields.integer("w", 0, 10), 5);
  EXPECT_EQ(**fields.number("n", 0, 1), 0.5);
  EXPECT_EQ((*fields.list("l"))->size(), 1u);
  EXPECT_TRUE((*fields.object("o"))->empty());
  EXPECT_EQ(fields.texts("s", 4)->size(), 2u);
  EXPECT_FALSE(fields.text("z")->has_value());
  EXPECT_FALSE(fields.integer("absent", 0, 1)->has_value());
  EXPECT_EQ(*fields.list("absent"), nullptr);
  EXPECT_TRUE(fields.finish().ok());
}

TEST(Fields, NamesWhatIsWrong) {
  const json::Object body = object(
      R"({"t": 1, "b": "true", "i": 5.5, "j": 11, "n": "0.5", "huge": 1e300, "s": ["a", 1],
          "m": ["a", "b", "c"], "big": 99999999999999999999})");
  Fields fields(body, "outer.");
  EXPECT_EQ(problem(fields.text("t")), "outer.t: expected a text, found 1");
  EXPECT_EQ(problem(fields.boolean("b")), "outer.b: expected true or false, found 'true'");
  EXPECT_EQ(problem(fields.integer("i", 0, 10)),
            "outer.i: expected an integer from 0 to 10, found 5.5");
  EXPECT_EQ(problem(fields.integer("j", 0, 10)),
            "outer.j: expected an integer from 0 to 10, found 11");
  EXPECT_EQ(problem(fields.number("n", 0, 1)),
            "outer.n: expected a number from 0 to 1, found '0.5'");
  EXPECT_FALSE(fields.integer("huge", 0, 10).ok());
  EXPECT_FALSE(fields.integer("big", 0, 10).ok());
  EXPECT_FALSE(fields.texts("s", 4).ok());
  EXPECT_FALSE(fields.texts("m", 2).ok());
  EXPECT_EQ(problem(fields.required_text("none")), "outer.none: expected a text, found nothing");
}

TEST(Fields, RefusesWhatNobodyAskedFor) {
  const json::Object body = object(R"({"max_token": 5})");
  Fields fields(body);
  ASSERT_TRUE(fields.integer("max_tokens", 1, 10).ok());
  const Status status = fields.finish();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, "E0750");
  EXPECT_EQ(status.error().hint, "did you mean 'max_tokens'?");
}

TEST(Body, IsOneObject) {
  EXPECT_TRUE(parse_body("{}").ok());
  for (const char* body :
       {"", "[]", "1", "{", "{\"a\": 1, \"a\": 2}", "{\"a\": \"\xff\"}", "{} x"}) {
    EXPECT_FALSE(parse_body(body).ok()) << body;
  }
  const std::string deep = "{\"a\":" + std::string(10'000, '[') + std::string(10'000, ']') + "}";
  EXPECT_FALSE(parse_body(deep).ok());
}

}  // namespace
}  // namespace weft::server
