// SPDX-License-Identifier: Apache-2.0
#include "schema/validator.h"

#include <gtest/gtest.h>

namespace weft::schema {
namespace {

json::Value value_of(std::string_view text) {
  json::ParseOptions deep;
  deep.depth_max = 100'000;
  return json::parse(text, deep).value();
}

Schema schema_of(std::string_view text) { return Schema::parse(value_of(text)).value(); }

std::vector<std::string> texts(std::string_view schema, std::string_view value) {
  std::vector<std::string> out;
  for (const Violation& one : validate(schema_of(schema), value_of(value))) {
    out.push_back(one.text());
  }
  return out;
}

using Texts = std::vector<std::string>;

TEST(Validator, SaysWhereAndWhatOfEveryViolation) {
  EXPECT_EQ(texts(R"({"type":"object","required":["customer_id"],"additionalProperties":false,
                      "properties":{"customer_id":{"type":"string"},
                                    "tags":{"items":{"maxLength":3},"minItems":3},
                                    "age":{"minimum":0,"multipleOf":2}}})",
                  R"({"custmer_id":"x","tags":["long","ok"],"age":-3})"),
            (Texts{
                "value: expected a member 'customer_id', found none, but 'custmer_id' (#/required)",
                "/tags: expected at least 3 items, found 2 (array of 2 items) "
                "(#/properties/tags/minItems)",
                "/tags/0: expected at most 3 characters, found 4 ('long') "
                "(#/properties/tags/items/maxLength)",
                "/age: expected at least 0, found -3 (#/properties/age/minimum)",
                "/age: expected a multiple of 2, found -3 (#/properties/age/multipleOf)",
                "/custmer_id: expected only the members that the schema names, "
                "found 'custmer_id', did you mean 'customer_id'? (#/additionalProperties)"})) ;
}

TEST(Validator, ExplainsTheNearestAlternative) {
  const auto found = texts(R"({"anyOf":[{"type":"string"},
      {"type":"object","properties":{"n":{"type":"integer"}}}]})", R"({"n":"5"})");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0], "value: expected a value that fits one of 2 alternatives, "
                      "found object with 1 members (#/anyOf)");
  EXPECT_EQ(found[1], "/n: expected integer, found string '5' (#/anyOf/1/properties/n/type)");
  EXPECT_EQ(texts(R"({"oneOf":[{"minimum":1},{"minimum":2}]})", "3")[0],
            "value: expected exactly one of the alternatives to fit, found 3, which fits "
            "alternatives 0 and 1 (#/oneOf)");
}

TEST(Validator, TheNumberOfViolationsIsBounded) {
  const Schema schema = schema_of(R"({"items":{"type":"string"}})");
  json::Array array(1000, json::Value(1));
  EXPECT_EQ(validate(schema, array, {.violations_max = 7}).size(), 7u);
  EXPECT_FALSE(is_valid(schema, array));
}

TEST(Validator, DeepValuesAreRefusedNotFollowed) {
  const Schema schema = schema_of(R"({"items":{"$ref":"#"}})");
  const std::string deep = std::string(10'000, '[') + std::string(10'000, ']');
  const auto found = validate(schema, value_of(deep));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].limit);
  EXPECT_FALSE(is_valid(schema, value_of(deep)));
  EXPECT_TRUE(is_valid(schema, value_of(std::string(250, '[') + std::string(250, ']'))));
}

// Each level has several schemas for the same place: the deepest stack that is allowed must fit.
TEST(Validator, TheDeepestStackFits) {
  std::string schema = R"({"properties":{"a":{"$ref":"#"}},"items":{"$ref":"#"}})";
  for (int i = 0; i < 60; ++i) schema = R"({"allOf":[)" + schema + "]}";
  std::string deep;
  for (int i = 0; i < 250; ++i) deep += R"({"a":)";
  deep += "1" + std::string(250, '}');
  const auto found = validate(schema_of(schema), value_of(deep));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].limit);
  EXPECT_NE(found[0].expected.find("schemas inside one another"), std::string::npos);
}

// 2^40 paths through the references; and a dynamic reference that the scope turns into a loop.
TEST(Validator, WorkIsBounded) {
  std::string schema = R"({"$ref":"#/$defs/d0","$defs":{"d40":{"minimum":1})";
  for (int i = 0; i < 40; ++i) {
    schema += fmt::format(R"(,"d{0}":{{"allOf":[{{"$ref":"#/$defs/d{1}"}},)"
                          R"({{"$ref":"#/$defs/d{1}"}}]}})", i, i + 1);
  }
  const auto found = validate(schema_of(schema + "}}"), json::Value(5), {.work_max = 100'000});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].limit);

  const Schema loop = schema_of(
      R"({"$id":"http://a/","$dynamicAnchor":"n","$ref":"b","$defs":{"b":{"$id":"b",
          "allOf":[{"$dynamicRef":"#n"}],"$defs":{"n":{"$dynamicAnchor":"n"}}}}})");
  ASSERT_EQ(validate(loop, json::Value(5)).size(), 1u);
  EXPECT_TRUE(validate(loop, json::Value(5))[0].limit);
}

// Each of these searches ends within its own bound; together they are the value's work.
TEST(Validator, SearchesArePaidFor) {
  const std::string text = "aaaaaaaaaaaaaaaaab";
  json::Array texts(20'000, json::Value(text));
  const auto found = validate(schema_of(R"({"items":{"pattern":"^(a+)+$|b$"}})"), texts,
                              {.work_max = 2'000'000});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].limit);
  json::Object names;
  for (int i = 0; i < 20'000; ++i) names[text + std::to_string(i) + "c"] = 1;
  const auto refused = validate(schema_of(R"({"patternProperties":{"^(a+)+$|b$":{}}})"), names,
                                {.work_max = 2'000'000});
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_TRUE(refused[0].limit);
  json::Value value = names;
  const Status filled = apply_defaults(
      schema_of(R"({"patternProperties":{"^(a+)+$|b$":{"default":1}}})"), value);
  ASSERT_FALSE(filled.ok());
  EXPECT_EQ(filled.error().code, "E0306");
  EXPECT_TRUE(is_valid(schema_of(R"({"items":{"pattern":"^[a-z]+b$"}})"), texts));
}

// `not` must not turn "could not be judged" into "fits".
TEST(Validator, LimitsAreNeverAVerdict) {
  const Schema schema = schema_of(R"({"not":{"pattern":"^(a|a)*(a|a)*(a+)+$"}})");
  const json::Value text(std::string(5000, 'a').append("b"));
  ASSERT_EQ(validate(schema, text).size(), 1u);
  EXPECT_TRUE(validate(schema, text)[0].limit);
  EXPECT_FALSE(is_valid(schema, text));
}

TEST(Validator, UniqueItemsOfLongArraysIsFast) {
  json::Array array;
  for (int i = 0; i < 200'000; ++i) array.emplace_back(i);
  const Schema schema = schema_of(R"({"uniqueItems":true})");
  EXPECT_TRUE(is_valid(schema, array));
  array.emplace_back(77.0);
  EXPECT_FALSE(is_valid(schema, array));
}

TEST(Validator, ErrorListsAllViolations) {
  const auto found = validate(schema_of(R"({"required":["a","b"]})"), value_of("{}"));
  const Error error = violation_error("input of workflow 'x'", found);
  EXPECT_EQ(error.code, "E0310");
  EXPECT_EQ(error.message,
            "input of workflow 'x' does not fit its schema: value: expected a member 'a', "
            "found none (#/required); value: expected a member 'b', found none (#/required)");
}

json::Value filled(std::string_view schema, std::string_view value) {
  json::Value out = value_of(value);
  EXPECT_TRUE(apply_defaults(schema_of(schema), out).ok());
  return out;
}

TEST(Defaults, FillWhatIsMissing) {
  EXPECT_EQ(filled(R"({"properties":{"language":{"enum":["auto","ko"],"default":"auto"},
                       "n":{"type":"integer"},"deep":{"default":{},
                       "properties":{"x":{"default":[1]}}}}})",
                   R"({"n":1})"),
            value_of(R"({"n":1,"language":"auto","deep":{"x":[1]}})"));
  EXPECT_EQ(filled(R"({"properties":{"a":{"default":1}}})", R"({"a":null})"),
            value_of(R"({"a":null})"));
}

TEST(Defaults, GoThroughReferencesItemsAndAllOf) {
  EXPECT_EQ(filled(R"({"allOf":[{"$ref":"#/$defs/o"}],"$defs":{"o":{"properties":
                       {"list":{"items":{"$ref":"#/$defs/i"}},"d":{"$ref":"#/$defs/five"}},
                       "patternProperties":{"^p":{"$ref":"#/$defs/i"}}},
                       "i":{"properties":{"k":{"default":0}}},"five":{"default":5}}})",
                   R"({"list":[{},{"k":1}],"px":{}})"),
            value_of(R"({"list":[{"k":0},{"k":1}],"px":{"k":0},"d":5})"));
  EXPECT_EQ(filled(R"({"anyOf":[{"properties":{"a":{"default":1}}}]})", "{}"), value_of("{}"));
}

TEST(Defaults, EndlessOnesAreRefused) {
  json::Value value = value_of("{}");
  const Status status = apply_defaults(
      schema_of(R"({"properties":{"a":{"$ref":"#","default":{}}}})"), value);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, "E0306");
}

TEST(Defaults, WhatIsCopiedIsPaidFor) {
  const schema::Schema schema = schema_of(
      R"({"items":{"properties":{"a":{"default":[")" + std::string(1'000'000, 'x') + R"("]}}}})");
  json::Value few = json::Array(50, json::Object{});
  EXPECT_TRUE(apply_defaults(schema, few).ok());
  json::Value many = json::Array(1'000, json::Object{});
  const Status status = apply_defaults(schema, many);
  ASSERT_FALSE(status.ok()) << "1 GB";
  EXPECT_EQ(status.error().code, "E0306");
}

}  // namespace
}  // namespace weft::schema
