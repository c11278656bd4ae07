// SPDX-License-Identifier: Apache-2.0
#include "grammar/json_schema.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>

#include "grammar/test_belongs.h"

namespace weft::grammar {
namespace {

Result<Rules> rules_of(std::string_view text) {
  return schema_rules(schema::Schema::parse(json::parse(text).value()).value());
}

// Objects of ten addresses and a constant.
std::string branches(int count, std::string_view last) {
  std::string out;
  for (int k = 0; k < count; ++k) {
    std::string members, names;
    for (int e = 0; e < 10; ++e) {
      members += fmt::format(R"("e{}":{{"type":"string","format":"email"}},)", e);
      names += fmt::format("\"e{}\",", e);
    }
    out += fmt::format(R"({}{{"type":"object","required":[{}"k"],"properties":{{{}"k":{}}}}})",
                       k == 0 ? "" : ",", names, members,
                       fmt::format(fmt::runtime(last), k));
  }
  return R"({"oneOf":[)" + out + "]}";
}

// By constants branches are told apart without a single automaton; by what only automata tell
// the work ends. Either would take hours if each pair compared all addresses.
TEST(JsonSchema, AlternativesAreToldApartWithBoundedWork) {
  const auto told_apart = rules_of(branches(16, R"({{"const":{}}})"));
  EXPECT_TRUE(told_apart.ok()) << told_apart.error().text();
  const auto refused = rules_of(branches(200, R"({{"type":"string","pattern":"^x{}$"}})"));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, "E0323");
  EXPECT_NE(refused.error().message.find("exclude each other"), std::string::npos);
}

TEST(JsonSchema, AForbiddenNameIsNoOpenName) {
  const auto nothing = rules_of(R"({"type":"object","propertyNames":{"pattern":"^x$"},
      "additionalProperties":{"type":"integer"},"minProperties":1,"not":{"required":["x"]}})");
  ASSERT_FALSE(nothing.ok());
  EXPECT_EQ(nothing.error().code, "E0324");
  const auto others = rules_of(R"({"type":"object","propertyNames":{"pattern":"^[xy]+$"},
      "additionalProperties":{"type":"integer"},"minProperties":1,"not":{"required":["x"]}})");
  ASSERT_TRUE(others.ok()) << others.error().text();
  EXPECT_FALSE(belongs(*others, R"({"x":1})"));
  EXPECT_TRUE(belongs(*others, R"({"y":1})"));
  EXPECT_TRUE(belongs(*others, R"({"xx":1,"y":2})"));
  EXPECT_FALSE(belongs(*others, R"({"xx":1,"x":2})"));
}

// `properties` closes an object, also where it lists nothing: the usual function without arguments.
TEST(JsonSchema, AnEmptyListOfMembersIsAList) {
  for (const char* schema : {R"({"type":"object","properties":{}})", R"({"properties":{}})",
                             R"({"$ref":"#/$defs/e","$defs":{"e":{"properties":{}}}})"}) {
    const auto closed = rules_of(schema);
    ASSERT_TRUE(closed.ok()) << closed.error().text();
    EXPECT_TRUE(belongs(*closed, "{}")) << schema;
    EXPECT_FALSE(belongs(*closed, R"({"a":1})")) << schema;
  }
  EXPECT_TRUE(belongs(*rules_of(R"({"properties":{}})"), "[1]"));
  const auto open = rules_of(R"({"properties":{},"additionalProperties":true})");
  EXPECT_TRUE(belongs(*open, R"({"a":1})"));
  SchemaOptions options;
  options.closed_objects = false;
  const auto plain = schema_rules(
      schema::Schema::parse(json::parse(R"({"properties":{}})").value()).value(), options);
  EXPECT_TRUE(belongs(*plain, R"({"a":1})"));
}

TEST(JsonSchema, RefusalsNameThePlaceThatIsThere) {
  const auto said = [](std::string_view schema) {
    const auto rules = rules_of(schema);
    return rules.ok() ? std::string("accepted") : rules.error().text();
  };
  EXPECT_EQ(said(R"({"type":"object","additionalProperties":{"type":"integer"},"minProperties":1,
                     "maxProperties":2,"propertyNames":{"pattern":"^[a-z]{1,3}$"}})")
                .substr(0, 24), "E0320 #/propertyNames: a");
  EXPECT_EQ(said(R"({"type":"object","patternProperties":{"^[a-z]{3}$":{}}})").substr(0, 28),
            "E0320 #/patternProperties: a");
  const std::string large = said(R"({"properties":{"n":{"type":"number","minimum":1e20}}})");
  EXPECT_EQ(large.substr(0, 25), "E0320 #/properties/n: no ");
  EXPECT_NE(large.find("1e+20"), std::string::npos) << large;
  EXPECT_EQ(said(R"({"type":"integer","maximum":-1e19})").substr(0, 8), "E0320 #:");
  EXPECT_EQ(said(R"({"type":"integer","minimum":-1e19})"), "accepted");
}

TEST(JsonSchema, WhatNothingFitsIsNamed) {
  const auto place = [](std::string_view inner) {
    const auto rules = rules_of(fmt::format(
        R"({{"type":"object","required":["b"],"properties":{{
             "a":false,"b":{},"c":{{"type":"string"}}}}}})", inner));
    if (rules.ok()) return std::string("accepted");
    const std::string text = rules.error().text();
    return text.substr(0, text.find(": "));
  };
  EXPECT_EQ(place("{}"), "accepted");
  EXPECT_EQ(place("false"), "E0324 #/properties/b");
  EXPECT_EQ(place(R"({"type":"integer","minimum":5,"maximum":1})"), "E0324 #/properties/b");
  EXPECT_EQ(place(R"({"type":"string","minLength":5,"maxLength":1})"), "E0324 #/properties/b");
  EXPECT_EQ(place(R"({"type":"array","minItems":1,"items":{"type":"string","enum":[1]}})"),
            "E0324 #/properties/b/items");
  EXPECT_EQ(place(R"({"type":"object","required":["x"],"properties":{"x":{"allOf":[
                      {"const":1},{"const":2}]}}})"), "E0324 #/properties/b/properties/x");
  // A name that is demanded and forbidden: no schema of the member says so.
  EXPECT_EQ(place(R"({"type":"object","required":["x"],"propertyNames":{"pattern":"^y"}})"),
            "E0324 #/properties/b");
  EXPECT_EQ(place(R"({"type":"object","required":["x"],"not":{"required":["x"]}})"),
            "E0324 #/properties/b");
}

// A schema of many parts is no help to whoever does not know which of them is too large.
TEST(JsonSchema, WhatIsTooLargeIsNamed) {
  const auto place = [](std::string_view schema) {
    const auto rules = rules_of(schema);
    if (rules.ok()) return std::string("accepted");
    const std::string text = rules.error().text();
    return text.substr(0, text.find(": "));
  };
  const auto with = [](std::string_view inner) {
    return fmt::format(R"({{"type":"object","required":["a","b"],"properties":{{
        "a":{{"type":"string"}},"b":{}}}}})", inner);
  };
  EXPECT_EQ(place(with(R"({"type":"string","pattern":"^(.*a.{20})$"})")),
            "E0323 #/properties/b/pattern");
  EXPECT_EQ(place(with(R"({"type":"string","pattern":"^((a{1,50}){1,50}){1,50}$"})")),
            "E0323 #/properties/b/pattern");
  EXPECT_EQ(place(with(R"({"type":"string","format":"email","maxLength":9000})")),
            "E0323 #/properties/b/maxLength");
  EXPECT_EQ(place(with(R"({"type":"string","pattern":"a","minLength":9000})")),
            "E0323 #/properties/b/minLength");
  EXPECT_EQ(place(with(R"({"type":"string","minLength":900000})")), "E0323 #/properties/b");
  EXPECT_EQ(place(with(R"({"type":"array","minItems":100000,"items":{"type":"string"}})")),
            "E0323 #/properties/b");
  EXPECT_EQ(place(with(R"({"type":"integer","multipleOf":1234567})")), "E0323 #/properties/b");
  EXPECT_EQ(place(with(R"({"type":"object","propertyNames":{"pattern":"^(.*a.{20})$"}})")),
            "E0323 #/properties/b/propertyNames/pattern");
  EXPECT_EQ(place(with(R"({"type":"object","patternProperties":{"^(.*a.{20})$":{}}})")),
            "E0323 #/properties/b/patternProperties");
  std::string choices;
  for (int i = 0; i < 12; ++i) {
    choices += i == 0 ? "" : ",";
    choices += fmt::format(R"({{"anyOf":[{{"type":"object","properties":{{"p{0}":{{}}}}}},
        {{"type":"object","properties":{{"q{0}":{{}}}}}},
        {{"type":"object","properties":{{"r{0}":{{}}}}}},
        {{"type":"object","properties":{{"s{0}":{{}}}}}}]}})", i);
  }
  EXPECT_EQ(place(with(fmt::format(R"({{"allOf":[{}]}})", choices))), "E0323 #/properties/b");
}

// What two branches list is in neither; what one of them only describes has to be kept apart.
TEST(JsonSchema, AValueOfTwoBranchesIsNoneOfTheirOneOf) {
  const auto code = [](std::string_view branches) {
    const auto rules = rules_of(fmt::format(R"({{"oneOf":[{}]}})", branches));
    return rules.ok() ? std::string("accepted") : rules.error().code;
  };
  EXPECT_EQ(code(R"({"type":"string","maxLength":2},{"const":"a"})"), "E0320");
  EXPECT_EQ(code(R"({"const":7},{"type":["integer","null"]})"), "E0320");
  EXPECT_EQ(code(R"({"type":"string","maxLength":2},{"const":"abc"})"), "accepted");
  EXPECT_EQ(code(R"({"type":"string"},{"const":null})"), "accepted");
  const auto lists = rules_of(R"({"oneOf":[{"enum":[1,2]},{"enum":[2,3]}]})").value();
  EXPECT_TRUE(belongs(lists, "1") && belongs(lists, "3"));
  EXPECT_FALSE(belongs(lists, "2"));
}

// Branches are compared in pairs, so each comparison has to be cheap, or paid for.
TEST(JsonSchema, LongListsInAlternativesAreNotComparedForEver) {
  std::string lists, objects, patterns;
  for (int i = 0; i < 20; ++i) {
    const char* comma = i == 0 ? "" : ",";
    std::string values;
    for (int k = 0; k < 900; ++k) values += fmt::format("{}{}", k == 0 ? "" : ",", 1000 * i + k);
    lists += fmt::format(R"({}{{"enum":[{}]}})", comma, values);
    // what open names there may be costs nothing: no branch requires one
    objects += fmt::format(R"({}{{"type":"object","required":["k"],"properties":{{"k":{{"const":{}
        }}}},"patternProperties":{{"^(a|b)*a(a|b){{7}}x":{{}}}}}})", comma, i);
    patterns += fmt::format(R"({}{{"type":"string","pattern":"^(a|b)*a(a|b){{9}}c{}d$"}})", comma,
                            i);
  }
  const auto code = [](const std::string& branches) {
    const auto rules = rules_of(fmt::format(R"({{"oneOf":[{}]}})", branches));
    return rules.ok() ? std::string("accepted") : rules.error().code;
  };
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(code(lists), "E0323");
  EXPECT_EQ(code(patterns), "E0323");
  EXPECT_EQ(code(objects), "accepted");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::minutes(1));
}

}  // namespace
}  // namespace weft::grammar
