// SPDX-License-Identifier: Apache-2.0
// A JSON Schema: refused with a code, or made a grammar whose shortest text is a valid value.
// covers: src/grammar/json_schema.cc src/grammar/conjunction.cc src/grammar/members.cc
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "grammar/json_schema.h"
#include "schema/validator.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto document = json::parse(text);
  if (!document.ok()) return 0;
  schema::ParseOptions options;
  options.nodes_max = 1000;
  const auto tree = schema::Schema::parse(*document, options);
  if (!tree.ok()) return 0;
  const auto rules = grammar::schema_rules(*tree);
  if (!rules.ok()) {
    CHECK(rules.error().code.substr(0, 4) == "E032");
    return 0;
  }
  const auto& root = rules->rule(rules->root());
  const auto value = json::parse(rules->shortest(root.start, root.min));
  if (!value.ok()) CHECK(value.error().code == "E0011");  // nested too deep for a reader
  schema::Limits limits;
  limits.work_max = 1'000'000;
  if (!value.ok()) return 0;
  const auto violations = schema::validate(*tree, *value, limits);
  CHECK(violations.empty() || violations[0].limit);
  return 0;
}
