// SPDX-License-Identifier: Apache-2.0
#include "worker/openapi.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "workflow/loader.h"

namespace weft::worker {
namespace {

// Of one path, "/x/{id}" with the parameter id, unless `paths` says otherwise.
json::Value api(std::string_view operation, std::string_view more = "",
                std::string_view version = "3.0.3") {
  const std::string text = fmt::format(
      R"({{"openapi": "{}", "servers": [{{"url": "https://h/v1/"}}], "paths": {{"/x/{{id}}": {{
        "parameters": [{{"name": "id", "in": "path", "required": true,
                         "schema": {{"type": "string"}}}}],
        "post": {}}}}} {}}})",
      version, operation, more);
  auto value = json::parse(text);
  EXPECT_TRUE(value.ok()) << text;
  return std::move(*value);
}

// What is made of it, which is a document that loads.
OpenapiTools made_of(const json::Value& document, const OpenapiOptions& options = {}) {
  auto out = tools_of_openapi(document, options);
  EXPECT_TRUE(out.ok()) << out.error().text();
  if (!out.ok()) return {};
  const std::string pasted = fmt::format(
      R"({{"weft": "1", "id": "w", "tools": {}, "steps": [{{"id": "a", "type": "set"}}]}})",
      json::dump(out->tools));
  const auto loaded = workflow::load_or_error(pasted, "w");
  EXPECT_TRUE(loaded.ok()) << loaded.error().text() << pasted;
  return std::move(*out);
}

std::string arguments_of(const OpenapiTools& made) {
  return json::dump(made.tools.at(0).at("parameters").at("properties"));
}
std::string request_of(const OpenapiTools& made) {
  return json::dump(made.tools.at(0).at("step").at("parameters"));
}

bool has(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

TEST(Openapi, HeadersAndListsInQueriesAreSent) {
  const auto made = made_of(api(R"({"operationId": "f", "parameters": [
      {"name": "X-Tenant", "in": "header", "required": true, "schema": {"type": "string"}},
      {"name": "tag", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
      {"name": "ids", "in": "query", "explode": false,
       "schema": {"type": "array", "items": {"type": "integer"}}},
      {"name": "at", "in": "query", "style": "deepObject",
       "schema": {"type": "object", "properties": {"from": {"type": "string"}}}},
      {"name": "where", "in": "query", "content": {"application/json": {"schema": {}}}},
      {"name": "id", "in": "query", "schema": {"type": "string"}},
      {"name": "session", "in": "cookie", "schema": {"type": "string"}}]})"));
  const std::string request = request_of(made);
  EXPECT_TRUE(has(request, R"("url":"https://h/v1/x/{{ args['id'] | urlencode }}")")) << request;
  EXPECT_TRUE(has(request, R"("X-Tenant":"{{ args['X-Tenant'] if 'X-Tenant' in args)")) << request;
  EXPECT_TRUE(has(request, R"("tag":"{{ args['tag'] if 'tag' in args else none }}")")) << request;
  EXPECT_TRUE(has(request, R"(args['ids'] | join(',') if)")) << request;
  EXPECT_TRUE(has(request, R"("at[from]":"{{ args['at']['from'] if)")) << request;
  EXPECT_TRUE(has(request, R"(args['where'] | tojson if)")) << request;
  EXPECT_TRUE(has(request, R"("id":"{{ args['id_query'] if)")) << request;
  EXPECT_EQ(json::dump(made.tools[0].at("parameters").at("required")), R"(["id","X-Tenant"])");
  EXPECT_TRUE(has(arguments_of(made), R"("id":{"type":"string","minLength":1})"));
  ASSERT_EQ(made.notes.size(), 1U);
  EXPECT_TRUE(has(made.notes[0], "f: its parameter 'session' is left out")) << made.notes[0];
}

TEST(Openapi, BodiesOfEveryKindThatCanBeSent) {
  const auto body = [](std::string_view type, bool required) {
    return api(fmt::format(R"({{"requestBody": {{"required": {}, "content": {{"{}": {{"schema":
        {{"type": "object", "properties": {{"example": {{"type": "string"}}}}}}}}}}}}}})",
                           required, type));
  };
  const std::string json_body = R"("json":"{{ args['body'] }}")";
  EXPECT_TRUE(has(request_of(made_of(body("application/json; charset=utf-8", true))), json_body));
  const auto patch = made_of(body("application/merge-patch+json", true));
  EXPECT_TRUE(has(request_of(patch), json_body));
  EXPECT_TRUE(has(request_of(patch), R"("Content-Type":"application/merge-patch+json")"));
  EXPECT_TRUE(has(arguments_of(patch), R"("example":{"type":"string"})")) << "a name, no keyword";
  const auto optional = made_of(body("application/json", false));
  EXPECT_TRUE(has(request_of(optional), "args['body'] | tojson if 'body' in args else none"));
  EXPECT_TRUE(has(request_of(made_of(body("application/x-www-form-urlencoded", true))),
                  R"("form":"{{ args['body'] }}")"));
  EXPECT_TRUE(has(request_of(made_of(body("text/plain", true))), R"("body":"{{ args['body'])"));
  const auto refused = tools_of_openapi(body("multipart/form-data", true), {});
  ASSERT_FALSE(refused.ok());
  EXPECT_TRUE(has(refused.error().message, "multipart/form-data")) << refused.error().text();
  EXPECT_TRUE(has(made_of(body("image/png", false)).notes.at(0), "image/png"));
}

TEST(Openapi, TheDialectOfThreePointZeroIsTranslated) {
  const auto made = made_of(api(R"({"requestBody": {"required": true, "content": {
      "application/json": {"schema": {"type": "object", "required": ["id", "n"], "properties": {
        "id": {"type": "integer", "readOnly": true},
        "n": {"type": "number", "minimum": 0, "exclusiveMinimum": true,
              "maximum": 9, "exclusiveMaximum": false},
        "s": {"type": "string", "nullable": true, "enum": ["a"], "example": "a"},
        "o": {"allOf": [{"type": "object"}], "nullable": true}}}}}}})"));
  EXPECT_EQ(json::dump(made.tools[0].at("parameters").at("properties").at("body")),
            R"({"type":"object","required":["n"],"properties":{)"
            R"("n":{"type":"number","maximum":9,"exclusiveMinimum":0},)"
            R"("s":{"type":["string","null"],"enum":["a",null]},)"
            R"("o":{"anyOf":[{"allOf":[{"type":"object"}]},{"type":"null"}]}}})");
}

TEST(Openapi, SchemasThatContainThemselves) {
  constexpr std::string_view kTree = R"(, "components": {"schemas": {
      "Tree": {"type": "object", "properties": {"v": {"type": "string"},
               "kids": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}},
               "leaf": {"$ref": "#/components/schemas/Leaf"}}},
      "Leaf": {"type": "object", "properties": {"of": {"$ref": "#/components/schemas/Tree"}}},
      "Loop": {"$ref": "#/components/schemas/Loop"}}})";
  const auto operation = [](std::string_view schema) {
    return fmt::format(R"({{"operationId": "grow", "requestBody": {{"required": true, "content": {{
        "application/json": {{"schema": {{"$ref": "#/components/schemas/{}"}}}}}}}}}})", schema);
  };
  const auto made = made_of(api(operation("Tree"), kTree));
  const json::Value& schema = made.tools[0].at("parameters");
  EXPECT_TRUE(has(json::dump(schema), R"("items":{"$ref":"#/$defs/Tree"})")) << json::dump(schema);
  EXPECT_TRUE(schema.at("$defs").get_object().contains("Tree"));
  const auto refused = tools_of_openapi(api(operation("Loop"), kTree), {});
  ASSERT_FALSE(refused.ok());
  EXPECT_TRUE(has(refused.error().message, "grow")) << "the operation is named";
  const auto nowhere = tools_of_openapi(api(operation("None"), kTree), {});
  ASSERT_FALSE(nowhere.ok());
  EXPECT_TRUE(has(nowhere.error().message, "grow: '#/components/schemas/None' leads nowhere"));
}

TEST(Openapi, OneOperationThatCannotBeSentLeavesTheOthers) {
  const auto document = json::parse(R"({"openapi": "3.1.0", "servers": [{"url": "https://h"}],
      "paths": {"/up": {"post": {"operationId": "up", "requestBody": {"required": true,
                                 "content": {"multipart/form-data": {}}}}},
                "/down": {"get": {"operationId": "down\n evil"}},
                "/odd/{who}": {"get": {}},
                "/a": {"get": {"operationId": "same it"}, "post": {"operationId": "same/it"}}}})");
  const auto made = made_of(*document);
  ASSERT_EQ(made.tools.size(), 3U);
  EXPECT_EQ(made.tools[0].at("name"), "down_evil");
  EXPECT_EQ(made.tools[1].at("name"), "same_it");
  EXPECT_EQ(made.tools[2].at("name"), "same_it_2");
  ASSERT_EQ(made.notes.size(), 3U);
  EXPECT_TRUE(has(made.notes[0], "up: left out: it needs a body of multipart/form-data"));
  EXPECT_TRUE(has(made.notes[1], "get_odd_who: left out: nothing describes {who}"));
  EXPECT_TRUE(has(made.notes[2], "same_it_2: post /a; another operation")) << made.notes[2];
  const auto named = tools_of_openapi(*document, {.operations = {"up"}});
  EXPECT_FALSE(named.ok()) << "what is asked for by name is no note";
}

TEST(Openapi, CredentialsAreToldAndNoArguments) {
  const auto made = made_of(api(R"({"operationId": "f", "security": [{"b": []}, {"k": []}]})",
                                R"(, "components": {"securitySchemes": {
      "b": {"type": "http", "scheme": "bearer"},
      "k": {"type": "apiKey", "in": "header", "name": "X-Key"}}})"));
  ASSERT_EQ(made.notes.size(), 1U);
  EXPECT_TRUE(has(made.notes[0], R"(headers: { Authorization: "Bearer …" })")) << made.notes[0];
  EXPECT_TRUE(has(made.notes[0], "or   headers: { X-Key: … }")) << made.notes[0];
  EXPECT_TRUE(made_of(api(R"({"security": []})", R"(, "security": [{"b": []}])")).notes.empty());
}

TEST(Openapi, ServersThatAreRelative) {
  auto document = api("{}");
  document.at("servers").at(0).at("url") = "/api/v3";
  const auto refused = tools_of_openapi(document, {});
  ASSERT_FALSE(refused.ok());
  EXPECT_TRUE(has(refused.error().message, "'/api/v3'")) << refused.error().text();
  EXPECT_TRUE(has(refused.error().hint, "--base-url"));
  EXPECT_TRUE(has(request_of(made_of(document, {.base_url = "https://pets.example/openapi.json"})),
                  "\"https://pets.example/api/v3/x/"));
  EXPECT_TRUE(has(request_of(made_of(document, {.server = "https://other/"})),
                  "\"https://other/x/"));
  document.at("servers").at(0) = json::parse(
      R"({"url": "https://{region}.h/{v}", "variables": {"region": {"default": "eu"}}})").value();
  EXPECT_TRUE(has(tools_of_openapi(document, {}).error().message, "https://eu.h/{v}"));
}

TEST(Openapi, NothingOfADocumentBecomesATemplate) {
  const auto made = made_of(api(R"({"operationId": "{{ input.secret }}", "parameters": [
      {"name": "a'] ~ input.secret ~ ['", "in": "query", "schema": {"type": "string"}}]})"));
  EXPECT_EQ(made.tools[0].at("name"), "input_secret");
  EXPECT_TRUE(has(request_of(made), "{{ args['a_] ~ input.secret ~ [_'] if")) << request_of(made);
}

}  // namespace
}  // namespace weft::worker
