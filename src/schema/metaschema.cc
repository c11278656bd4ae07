// SPDX-License-Identifier: Apache-2.0
#include "schema/metaschema.h"

namespace weft::schema {
namespace {

// Published by json-schema.org under the Academic Free License 3.0 and the BSD license; without
// their `$comment`s.
constexpr std::string_view kDocuments[] = {
    R"({"$schema":"https://json-schema.org/draft/2020-12/schema",)"
    R"("$id":"https://json-schema.org/draft/2020-12/schema",)"
    R"("$vocabulary":{"https://json-schema.org/draft/2020-12/vocab/core":true,)"
    R"("https://json-schema.org/draft/2020-12/vocab/applicator":true,)"
    R"("https://json-schema.org/draft/2020-12/vocab/unevaluated":true,)"
    R"("https://json-schema.org/draft/2020-12/vocab/validation":true,)"
    R"("https://json-schema.org/draft/2020-12/vocab/meta-data":true,)"
    R"("https://json-schema.org/draft/2020-12/vocab/format-annotation":true,)"
    R"("https://json-schema.org/draft/2020-12/vocab/content":true},"$dynamicAnchor":"meta",)"
    R"("title":"Core and Validation specifications meta-schema",)"
    R"("allOf":[{"$ref":"meta/core"},{"$ref":"meta/applicator"},{"$ref":"meta/unevaluated"},)"
    R"({"$ref":"meta/validation"},{"$ref":"meta/meta-data"},)"
    R"({"$ref":"meta/format-annotation"},{"$ref":"meta/content"}],"type":["object",)"
    R"("boolean"],"properties":{"definitions":{"type":"object",)"
    R"("additionalProperties":{"$dynamicRef":"#meta"},"deprecated":true,"default":{}},)"
    R"("dependencies":{"type":"object",)"
    R"("additionalProperties":{"anyOf":[{"$dynamicRef":"#meta"},)"
    R"({"$ref":"meta/validation#/$defs/stringArray"}]},"deprecated":true,"default":{}},)"
    R"("$recursiveAnchor":{"$ref":"meta/core#/$defs/anchorString","deprecated":true},)"
    R"("$recursiveRef":{"$ref":"meta/core#/$defs/uriReferenceString","deprecated":true}}})",
    R"({"$schema":"https://json-schema.org/draft/2020-12/schema",)"
    R"("$id":"https://json-schema.org/draft/2020-12/meta/applicator",)"
    R"("$vocabulary":{"https://json-schema.org/draft/2020-12/vocab/applicator":true},)"
    R"("$dynamicAnchor":"meta","title":"Applicator vocabulary meta-schema","type":["object",)"
    R"("boolean"],"properties":{"prefixItems":{"$ref":"#/$defs/schemaArray"},)"
    R"("items":{"$dynamicRef":"#meta"},"contains":{"$dynamicRef":"#meta"},)"
    R"("additionalProperties":{"$dynamicRef":"#meta"},"properties":{"type":"object",)"
    R"("additionalProperties":{"$dynamicRef":"#meta"},"default":{}},)"
    R"("patternProperties":{"type":"object","additionalProperties":{"$dynamicRef":"#meta"},)"
    R"("propertyNames":{"format":"regex"},"default":{}},"dependentSchemas":{"type":"object",)"
    R"("additionalProperties":{"$dynamicRef":"#meta"},"default":{}},)"
    R"("propertyNames":{"$dynamicRef":"#meta"},"if":{"$dynamicRef":"#meta"},)"
    R"("then":{"$dynamicRef":"#meta"},"else":{"$dynamicRef":"#meta"},)"
    R"("allOf":{"$ref":"#/$defs/schemaArray"},"anyOf":{"$ref":"#/$defs/schemaArray"},)"
    R"("oneOf":{"$ref":"#/$defs/schemaArray"},"not":{"$dynamicRef":"#meta"}},)"
    R"("$defs":{"schemaArray":{"type":"array","minItems":1,"items":{"$dynamicRef":"#meta"}}}})",
    R"({"$schema":"https://json-schema.org/draft/2020-12/schema",)"
    R"("$id":"https://json-schema.org/draft/2020-12/meta/content",)"
    R"("$vocabulary":{"https://json-schema.org/draft/2020-12/vocab/content":true},)"
    R"("$dynamicAnchor":"meta","title":"Content vocabulary meta-schema","type":["object",)"
    R"("boolean"],"properties":{"contentEncoding":{"type":"string"},)"
    R"("contentMediaType":{"type":"string"},"contentSchema":{"$dynamicRef":"#meta"}}})",
    R"({"$schema":"https://json-schema.org/draft/2020-12/schema",)"
    R"("$id":"https://json-schema.org/draft/2020-12/meta/core",)"
    R"("$vocabulary":{"https://json-schema.org/draft/2020-12/vocab/core":true},)"
    R"("$dynamicAnchor":"meta","title":"Core vocabulary meta-schema","type":["object",)"
    R"("boolean"],"properties":{"$id":{"$ref":"#/$defs/uriReferenceString",)"
    R"("pattern":"^[^#]*#?$"},"$schema":{"$ref":"#/$defs/uriString"},)"
    R"("$ref":{"$ref":"#/$defs/uriReferenceString"},)"
    R"("$anchor":{"$ref":"#/$defs/anchorString"},)"
    R"("$dynamicRef":{"$ref":"#/$defs/uriReferenceString"},)"
    R"("$dynamicAnchor":{"$ref":"#/$defs/anchorString"},"$vocabulary":{"type":"object",)"
    R"("propertyNames":{"$ref":"#/$defs/uriString"},)"
    R"("additionalProperties":{"type":"boolean"}},"$comment":{"type":"string"},)"
    R"("$defs":{"type":"object","additionalProperties":{"$dynamicRef":"#meta"}}},)"
    R"("$defs":{"anchorString":{"type":"string","pattern":"^[A-Za-z_][-A-Za-z0-9._]*$"},)"
    R"("uriString":{"type":"string","format":"uri"},"uriReferenceString":{"type":"string",)"
    R"("format":"uri-reference"}}})",
    R"({"$schema":"https://json-schema.org/draft/2020-12/schema",)"
    R"("$id":"https://json-schema.org/draft/2020-12/meta/format-annotation",)"
    R"("$vocabulary":{"https://json-schema.org/draft/2020-12/vocab/format-annotation":true},)"
    R"("$dynamicAnchor":"meta",)"
    R"("title":"Format vocabulary meta-schema for annotation results","type":["object",)"
    R"("boolean"],"properties":{"format":{"type":"string"}}})",
    R"({"$schema":"https://json-schema.org/draft/2020-12/schema",)"
    R"("$id":"https://json-schema.org/draft/2020-12/meta/meta-data",)"
    R"("$vocabulary":{"https://json-schema.org/draft/2020-12/vocab/meta-data":true},)"
    R"("$dynamicAnchor":"meta","title":"Meta-data vocabulary meta-schema","type":["object",)"
    R"("boolean"],"properties":{"title":{"type":"string"},"description":{"type":"string"},)"
    R"("default":true,"deprecated":{"type":"boolean","default":false},)"
    R"("readOnly":{"type":"boolean","default":false},"writeOnly":{"type":"boolean",)"
    R"("default":false},"examples":{"type":"array","items":true}}})",
    R"({"$schema":"https://json-schema.org/draft/2020-12/schema",)"
    R"("$id":"https://json-schema.org/draft/2020-12/meta/unevaluated",)"
    R"("$vocabulary":{"https://json-schema.org/draft/2020-12/vocab/unevaluated":true},)"
    R"("$dynamicAnchor":"meta","title":"Unevaluated applicator vocabulary meta-schema",)"
    R"("type":["object","boolean"],"properties":{"unevaluatedItems":{"$dynamicRef":"#meta"},)"
    R"("unevaluatedProperties":{"$dynamicRef":"#meta"}}})",
    R"({"$schema":"https://json-schema.org/draft/2020-12/schema",)"
    R"("$id":"https://json-schema.org/draft/2020-12/meta/validation",)"
    R"("$vocabulary":{"https://json-schema.org/draft/2020-12/vocab/validation":true},)"
    R"("$dynamicAnchor":"meta","title":"Validation vocabulary meta-schema","type":["object",)"
    R"("boolean"],"properties":{"type":{"anyOf":[{"$ref":"#/$defs/simpleTypes"},)"
    R"({"type":"array","items":{"$ref":"#/$defs/simpleTypes"},"minItems":1,)"
    R"("uniqueItems":true}]},"const":true,"enum":{"type":"array","items":true},)"
    R"("multipleOf":{"type":"number","exclusiveMinimum":0},"maximum":{"type":"number"},)"
    R"("exclusiveMaximum":{"type":"number"},"minimum":{"type":"number"},)"
    R"("exclusiveMinimum":{"type":"number"},)"
    R"("maxLength":{"$ref":"#/$defs/nonNegativeInteger"},)"
    R"("minLength":{"$ref":"#/$defs/nonNegativeIntegerDefault0"},"pattern":{"type":"string",)"
    R"("format":"regex"},"maxItems":{"$ref":"#/$defs/nonNegativeInteger"},)"
    R"("minItems":{"$ref":"#/$defs/nonNegativeIntegerDefault0"},)"
    R"("uniqueItems":{"type":"boolean","default":false},)"
    R"("maxContains":{"$ref":"#/$defs/nonNegativeInteger"},)"
    R"("minContains":{"$ref":"#/$defs/nonNegativeInteger","default":1},)"
    R"("maxProperties":{"$ref":"#/$defs/nonNegativeInteger"},)"
    R"("minProperties":{"$ref":"#/$defs/nonNegativeIntegerDefault0"},)"
    R"("required":{"$ref":"#/$defs/stringArray"},"dependentRequired":{"type":"object",)"
    R"("additionalProperties":{"$ref":"#/$defs/stringArray"}}},)"
    R"("$defs":{"nonNegativeInteger":{"type":"integer","minimum":0},)"
    R"("nonNegativeIntegerDefault0":{"$ref":"#/$defs/nonNegativeInteger","default":0},)"
    R"("simpleTypes":{"enum":["array","boolean","integer","null","number","object",)"
    R"("string"]},"stringArray":{"type":"array","items":{"type":"string"},"uniqueItems":true,)"
    R"("default":[]}}})",
};

}  // namespace

const Remotes& metaschemas() {
  static const Remotes all = [] {
    Remotes remotes;
    for (const std::string_view text : kDocuments) {
      json::Value document = json::parse(text).value();
      std::string uri(document.at("$id").as_string());
      remotes.emplace(std::move(uri), std::move(document));
    }
    return remotes;
  }();
  return all;
}

}  // namespace weft::schema
