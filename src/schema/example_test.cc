// SPDX-License-Identifier: Apache-2.0
#include "schema/example.h"

#include <gtest/gtest.h>

#include "schema/schema.h"
#include "schema/validator.h"

namespace weft::schema {
namespace {

std::string example(std::string_view schema, std::string_view name = "") {
  const auto made = example_of(json::parse(schema).value(), name);
  return made.ok() ? json::dump(*made) : made.error().code;
}

TEST(Example, TakesWhatTheSchemaOffers) {
  EXPECT_EQ(example(R"({"const": 7})"), "7");
  EXPECT_EQ(example(R"({"enum": ["b", "a"]})"), "\"b\"");
  EXPECT_EQ(example(R"({"type": "string", "default": "d", "examples": ["e"]})"), "\"d\"");
  EXPECT_EQ(example(R"({"type": "string", "pattern": "^[A-Z]-[0-9]+$", "examples": ["C-4471"]})"),
            "\"C-4471\"");
}

TEST(Example, IsThePlainestOfItsType) {
  EXPECT_EQ(example("true"), "\"example\"");
  EXPECT_EQ(example("{}", "inquiry"), "\"example of inquiry\"");
  EXPECT_EQ(example(R"({"type": "string", "maxLength": 3})", "id"), "\"exa\"");
  EXPECT_EQ(example(R"({"type": "string", "minLength": 10})").size() > 11, true);
  EXPECT_EQ(example(R"({"type": "string", "format": "email"})"), "\"someone@example.com\"");
  EXPECT_EQ(example(R"({"type": "integer", "minimum": 3})"), "3");
  EXPECT_EQ(example(R"({"type": "integer", "exclusiveMinimum": 3, "multipleOf": 5})"), "10");
  EXPECT_EQ(example(R"({"type": "number", "maximum": 0.5})"), "0.5");
  EXPECT_EQ(example(R"({"type": ["null", "boolean"]})"), "true");
  EXPECT_EQ(example(R"({"type": "null"})"), "null");
  EXPECT_EQ(example(R"({"type": "array", "minItems": 2, "items": {"type": "integer"}})"), "[1,1]");
  EXPECT_EQ(example(R"({"type": "array", "items": {"type": "integer"}})"), "[]");
}

TEST(Example, FollowsReferencesAndBranches) {
  EXPECT_EQ(example(R"({
    "type": "object", "required": ["who", "kind", "amount"],
    "properties": {
      "who": {"$ref": "#/$defs/person"},
      "kind": {"anyOf": [{"enum": ["refund"]}, {"type": "integer"}]},
      "amount": {"allOf": [{"type": "integer"}, {"minimum": 5}]},
      "note": {"type": "string"}},
    "$defs": {"person": {"type": "object", "required": ["name"],
                         "properties": {"name": {"type": "string"}}}}})"),
            R"({"who":{"name":"example of name"},"kind":"refund","amount":5})");
}

TEST(Example, IsRightOrAnError) {
  EXPECT_EQ(example(R"({"type": "string", "pattern": "^[0-9]{4}$"})"), "E0310");
  EXPECT_EQ(example(R"({"type": "integer", "minimum": 5, "maximum": 4})"), "E0310");
  EXPECT_EQ(example(R"({"not": {}})"), "E0310");
  EXPECT_EQ(example(R"({"type": 7})").substr(0, 3), "E03");
  // A list that holds itself ends at its shortest.
  EXPECT_EQ(example(R"({"$ref": "#/$defs/list", "$defs": {"list": {"type": "array",
                        "items": {"$ref": "#/$defs/list"}}}})"), "[]");
  // One that never ends is refused, not followed for ever.
  EXPECT_EQ(example(R"({"$ref": "#/$defs/o", "$defs": {"o": {"type": "object",
      "required": ["o"], "properties": {"o": {"$ref": "#/$defs/o"}}}}})"), "E0310");
  EXPECT_EQ(example(R"({"$ref": "#/$defs/o", "$defs": {"o": {"type": "object",
      "required": ["a", "b"], "properties": {"a": {"$ref": "#/$defs/o"},
                                             "b": {"$ref": "#/$defs/o"}}}}})"), "E0310");
}

}  // namespace
}  // namespace weft::schema
