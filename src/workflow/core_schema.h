// SPDX-License-Identifier: Apache-2.0
//
// What a plain scalar of YAML means: the core schema of YAML 1.2 (section 10.3.2), which is JSON's
// with a few more spellings. Not YAML 1.1: yes, no, on, off, 1_000 and 12:30 are text.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "workflow/yaml.h"

namespace weft::workflow {

// Integers beyond 64 bits count as text.
YamlTree::Kind core_kind(std::string_view plain);

struct CoreInteger {
  bool fits = false;       // into int64 or uint64
  bool negative = false;
  uint64_t magnitude = 0;
};
// Decimal, 0x and 0o.
CoreInteger core_integer(std::string_view plain);

// Nothing if it is beyond a double.
std::optional<double> core_double(std::string_view plain);

// .inf and .nan, which JSON cannot hold.
bool is_core_infinity(std::string_view plain);

}  // namespace weft::workflow
