// SPDX-License-Identifier: Apache-2.0
//
// Judges values by a Schema: all violations (a bounded number), each with the place in the value,
// the place in the schema, what was expected and what was found. Of an anyOf or oneOf that nothing
// fits, the violations of the nearest branch follow.
//
// Work, depth and memory are bounded; running out is itself a violation (`limit` is set), never a
// wrong verdict. Pure; a Schema may be used by several threads at once.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "schema/schema.h"

namespace weft::schema {

struct Limits {
  size_t violations_max = 20;
  size_t depth_max = 256;           // of the value
  size_t work_max = 20'000'000;     // node visits and value comparisons, about a second
};

struct Violation {
  std::string instance_path;  // JSON pointer, "" is the whole value
  std::string schema_path;    // "#/properties/a/minLength"
  std::string keyword;        // "minLength"
  std::string expected;       // "at least 3 characters"
  std::string found;          // "'ab'"
  bool limit = false;         // not judged: a limit was reached

  // "/a: expected at least 3 characters, found 'ab' (#/properties/a/minLength)"
  std::string text() const;
};

// Empty if the value is valid.
std::vector<Violation> validate(const Schema& schema, const json::Value& value,
                                const Limits& limits = {});

// The same, only the verdict; stops at the first violation. False if a limit was reached.
bool is_valid(const Schema& schema, const json::Value& value, const Limits& limits = {});

// The verdict of one node of the schema, as if it were the root.
bool is_valid_at(const Schema& schema, NodeId node, const json::Value& value,
                 const Limits& limits = {});

// E0310: one error that lists the violations; `what` names the value ("input of workflow 'x'").
Error violation_error(std::string_view what, std::span<const Violation> violations);

// Adds the members and items that are missing and have a `default`: through properties,
// prefixItems, items, additionalProperties, patternProperties, $ref and allOf; not through
// anyOf, oneOf, if and not, where it is not known which branch is meant. Defaults are themselves
// completed. E0306 if that does not end (a recursive schema whose default holds itself).
Status apply_defaults(const Schema& schema, json::Value& value);

}  // namespace weft::schema
