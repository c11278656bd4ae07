// SPDX-License-Identifier: Apache-2.0
//
// Internal to openapi: what a document of an API refers to, and its schemas as JSON Schema 2020-12.
// References are written out, but for schemas that contain themselves: those become `$defs` of the
// schema that is made. OpenAPI 3.0's own dialect (`nullable`, `exclusiveMinimum: true`) is
// translated; members that only answers have (`readOnly`) are taken out, since all that is made
// here describes requests. Pure. Errors are E0629: a reference that leads out of the document or
// nowhere, nesting or text beyond the limits below.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace weft::worker {

Error openapi_error(std::string message, std::string hint = {});
const json::Value* openapi_member(const json::Value& value, std::string_view name);
// "" where there is no such text.
std::string openapi_text(const json::Value& value, std::string_view name);
bool openapi_flag(const json::Value& value, std::string_view name);

// The document must outlive it.
class OpenapiSchemas {
 public:
  explicit OpenapiSchemas(const json::Value& document) : document_(document) {}

  // What stands behind the value's own `$ref`, and the next one; the value itself without any.
  Result<const json::Value*> followed(const json::Value& value) const;

  // For one operation: limits count anew, definitions are those of its schemas alone.
  void begin();
  Result<json::Value> converted(const json::Value& schema);
  // `$defs` of all that was converted since begin().
  Result<json::Object> definitions();

 private:
  Result<const json::Value*> target_of(const std::string& reference) const;
  Result<json::Value> convert(const json::Value& schema);
  Result<json::Value> convert_reference(const json::Object& schema, const std::string& reference);
  Result<json::Object> convert_keywords(const json::Object& schema);
  Result<json::Value> convert_members(const json::Object& members, bool properties);
  Result<bool> only_answered(const json::Value& property) const;
  std::string definition_name(const std::string& reference);

  const json::Value& document_;
  std::vector<std::string> open_;          // references that are being written out
  std::set<std::string> recursive_;        // found to contain themselves
  std::map<std::string, std::string> names_;  // of definitions, by reference
  std::set<std::string> wanted_;           // definitions that this operation refers to
  size_t depth_ = 0;
  size_t nodes_ = 0, nodes_of_all_ = 0;
};

}  // namespace weft::worker
