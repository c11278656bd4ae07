// SPDX-License-Identifier: Apache-2.0
#include "schema/schema.h"

#include <gtest/gtest.h>

#include <cmath>

#include "schema/metaschema.h"
#include "schema/validator.h"

namespace weft::schema {
namespace {

Result<Schema> parse(std::string_view text, const ParseOptions& options = {}) {
  json::ParseOptions deep;
  deep.depth_max = 100'000;
  return Schema::parse(json::parse(text, deep).value(), options);
}

struct Bad {
  const char *schema, *code, *place;
};

TEST(Schema, EveryKeywordRefusesWrongValuesAndNamesThePlace) {
  const Bad cases[] = {
      {R"("x")", "E0301", "#: "},
      {R"({"type":"strin"})", "E0301", "#/type"},
      {R"({"type":[]})", "E0301", "#/type"},
      {R"({"type":["null","null"]})", "E0301", "#/type"},
      {R"({"type":{"a":1}})", "E0301", "#/type"},
      {R"({"enum":1})", "E0301", "#/enum"},
      {R"({"properties":{"a":{"minimum":"1"}}})", "E0301", "#/properties/a/minimum"},
      {R"({"exclusiveMinimum":true})", "E0301", "#/exclusiveMinimum"},
      {R"({"multipleOf":0})", "E0301", "#/multipleOf"},
      {R"({"minLength":-1})", "E0301", "#/minLength"},
      {R"({"maxLength":1.5})", "E0301", "#/maxLength"},
      {R"({"pattern":1})", "E0301", "#/pattern"},
      {R"({"pattern":"("})", "E0304", "#/pattern"},
      {R"({"patternProperties":{"[":true}})", "E0304", "#/patternProperties"},
      {R"({"patternProperties":[]})", "E0301", "#/patternProperties"},
      {R"({"format":1})", "E0301", "#/format"},
      {R"({"items":[{}]})", "E0301", "#/items"},
      {R"({"prefixItems":[]})", "E0301", "#/prefixItems"},
      {R"({"prefixItems":[1]})", "E0301", "#/prefixItems/0"},
      {R"({"uniqueItems":1})", "E0301", "#/uniqueItems"},
      {R"({"properties":[]})", "E0301", "#/properties"},
      {R"({"properties":{"a/b~":"string"}})", "E0301", "#/properties/a~1b~0"},
      {R"({"required":true})", "E0301", "#/required"},
      {R"({"required":["a","a"]})", "E0301", "#/required"},
      {R"({"required":[1]})", "E0301", "#/required"},
      {R"({"dependentRequired":{"a":1}})", "E0301", "#/dependentRequired"},
      {R"({"dependentRequired":[]})", "E0301", "#/dependentRequired"},
      {R"({"dependencies":1})", "E0301", "#/dependencies"},
      {R"({"allOf":{}})", "E0301", "#/allOf"},
      {R"({"anyOf":[]})", "E0301", "#/anyOf"},
      {R"({"not":null})", "E0301", "#/not"},
      {R"({"title":1})", "E0301", "#/title"},
      {R"({"$id":1})", "E0301", "#/$id"},
      {R"({"$id":"a#b"})", "E0301", "#/$id"},
      {R"({"$defs":{"a":{"$id":"x"},"b":{"$id":"x"}}})", "E0301", "$id"},
      {R"({"$anchor":"1"})", "E0301", "#/$anchor"},
      {R"({"$defs":{"a":{"$anchor":"x"},"b":{"$anchor":"x"}}})", "E0301", "$anchor"},
      {R"({"$schema":1})", "E0301", "#/$schema"},
      {R"({"$schema":"http://example.com/unknown"})", "E0302", "#/$schema"},
      {R"({"$ref":1})", "E0301", "#/$ref"},
      {R"({"properties":{"a":{"$ref":"#/$defs/x"}}})", "E0302", "#/properties/a/$ref"},
      {R"({"$ref":"#nowhere"})", "E0302", "#/$ref"},
      {R"({"$ref":"#/%zz"})", "E0302", "#/$ref"},
      {R"({"$ref":"#/~2"})", "E0302", "#/$ref"},
      {R"({"$dynamicRef":"http://example.com/x"})", "E0302", "#/$dynamicRef"},
      {R"({"$ref":"#/x","x":5})", "E0302", "#/$ref"},
      {R"({"$ref":"#/x","x":{"type":5}})", "E0301", "#/x/type"},
      {R"({"$ref":"#"})", "E0303", "#"},
      {R"({"$dynamicAnchor":"a","$dynamicRef":"#a"})", "E0303", "#"},
      {R"({"$defs":{"a":{"allOf":[{"$ref":"#/$defs/b"}]},"b":{"not":{"$ref":"#/$defs/a"}}}})",
       "E0303", "#/$defs/"},
  };
  for (const Bad& one : cases) {
    const auto schema = parse(one.schema);
    ASSERT_FALSE(schema.ok()) << one.schema;
    EXPECT_EQ(schema.error().code, one.code) << one.schema;
    EXPECT_NE(schema.error().message.find(one.place), std::string::npos)
        << one.schema << "\n" << schema.error().text();
  }
}

TEST(Schema, MessagesTeach) {
  EXPECT_EQ(parse(R"({"properties":{"a":{"type":"strng"}}})").error().text(),
            "E0301 #/properties/a/type: expected a type name, found 'strng'. "
            "hint: did you mean 'string'?");
  EXPECT_EQ(parse(R"({"$defs":{"address":{}},"$ref":"#/$defs/adress"})").error().hint,
            "#/$defs has no 'adress'");
  EXPECT_NE(parse(R"({"$ref":"#"})").error().message.find("# -> #"), std::string::npos);
}

TEST(Schema, NonFiniteNumbersAreRefused) {
  json::Object object;
  object["minimum"] = std::nan("");
  EXPECT_EQ(Schema::parse(json::Value(object)).error().code, "E0301");
}

TEST(Schema, NestingAndSizeAreBounded) {
  std::string deep;
  for (int i = 0; i < 10'000; ++i) deep += R"({"not":)";
  deep += "{}" + std::string(10'000, '}');
  EXPECT_EQ(parse(deep).error().code, "E0306");
  std::string arrays = R"({"const":)" + std::string(10'000, '[') + std::string(10'000, ']') + "}";
  EXPECT_EQ(parse(arrays).error().code, "E0306");
  std::string nested = "{}";
  for (int i = 0; i < 127; ++i) nested = R"({"not":)" + nested + "}";
  EXPECT_TRUE(parse(nested).ok());
  EXPECT_EQ(parse(R"({"not":)" + nested + "}").error().code, "E0306");
  ParseOptions few;
  few.nodes_max = 3;
  EXPECT_EQ(parse(R"({"allOf":[{},{},{}]})", few).error().code, "E0306");
}

TEST(Schema, UnknownKeywordsAreKeptAndReported) {
  const auto schema = parse(
      R"({"properties":{"a":{"minlength":3,"x-note":{"k":1}}},"$schema":)"
      R"("http://json-schema.org/draft-07/schema#"})");
  ASSERT_TRUE(schema.ok());
  ASSERT_EQ(schema->unknown_keywords().size(), 3u);
  EXPECT_EQ(schema->unknown_keywords()[0].keyword, "$schema");
  EXPECT_EQ(schema->unknown_keywords()[1].place, "#/properties/a");
  EXPECT_EQ(schema->unknown_keywords()[1].keyword, "minlength");
  EXPECT_EQ(schema->unknown_keywords()[1].value, 3);
  EXPECT_EQ(schema->unknown_keywords()[1].hint, "did you mean 'minLength'?");
  EXPECT_EQ(schema->unknown_keywords()[2].hint, "");
}

TEST(Schema, TreeKeepsOrderAndPlaces) {
  const auto schema = parse(
      R"({"properties":{"z":{"type":"string"},"a":{"items":{"$ref":"#/$defs/n"}}},)"
      R"("$defs":{"n":{"$id":"http://x/y","type":["integer","null"]}}})");
  ASSERT_TRUE(schema.ok());
  const Node& root = schema->node(schema->root());
  ASSERT_EQ(root.properties.size(), 2u);
  EXPECT_EQ(root.properties[0].name, "z");
  const NodeId items = schema->node(root.properties[1].node).items;
  EXPECT_EQ(schema->pointer(items), "#/properties/a/items");
  const NodeId target = schema->node(items).ref;
  EXPECT_EQ(schema->pointer(target), "#/$defs/n");
  EXPECT_EQ(types_text(schema->node(target).types), "null or integer");
}

TEST(Schema, TheMetaschemaAcceptsItselfAndRefusesNonsense) {
  const json::Value& document = metaschemas().find(kDraft202012)->second;
  const auto meta = Schema::parse(document);
  ASSERT_TRUE(meta.ok()) << meta.error().text();
  EXPECT_TRUE(validate(*meta, document).empty());
  const auto found = validate(*meta, json::parse(R"({"properties":{"a":{"type":5}}})").value());
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0].instance_path, "/properties/a/type");
}

}  // namespace
}  // namespace weft::schema
