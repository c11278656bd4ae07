// SPDX-License-Identifier: Apache-2.0
// The first line is a JSON Schema, the rest a value: what parses is judged alike with and without
// a list of violations, places are pointers, and defaults end.
// sources: src/schema/*.cc
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/strings.h"
#include "schema/pointer.h"
#include "schema/validator.h"

namespace {

using namespace weft;

void judge(const schema::Schema& tree, json::Value value) {
  schema::Limits limits;
  limits.work_max = 20'000;
  const auto violations = schema::validate(tree, value, limits);
  const bool limited = !violations.empty() && violations[0].limit;
  // the list of violations may cost more work than the verdict
  if (!limited) CHECK(violations.empty() == schema::is_valid(tree, value, limits));
  for (const auto& one : violations) {
    CHECK(schema::parse_pointer(one.instance_path).ok());
    CHECK(!one.text().empty());
    if (!one.limit && one.keyword != "required" && one.keyword != "propertyNames") {
      CHECK(schema::find(value, one.instance_path).ok());
    }
  }
  if (!violations.empty()) (void)schema::violation_error("value", violations);
  (void)schema::apply_defaults(tree, value);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t cut = std::min(text.find('\n'), text.size());
  const auto document = json::parse(text.substr(0, cut));
  if (!document.ok()) return 0;
  schema::ParseOptions options;
  options.assert_formats = true;
  options.nodes_max = 2000;
  const auto tree = schema::Schema::parse(*document, options);
  if (!tree.ok()) {
    CHECK(tree.error().code.substr(0, 3) == "E03");
    return 0;
  }
  for (schema::NodeId id = 0; id < tree->nodes().size(); ++id) (void)tree->pointer(id);
  const auto value = json::parse(text.substr(std::min(cut + 1, size)));
  if (value.ok()) judge(*tree, *value);
  judge(*tree, *document);
  return 0;
}
