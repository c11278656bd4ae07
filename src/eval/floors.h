// SPDX-License-Identifier: Apache-2.0
//
// What an evaluation must reach, as a file that continuous integration can hold a model to:
//
//   {"format": "weft-eval-floors/1", "note"?: "…", "floors": [
//     {"suite"?: "triage", "language"?: "ko", "measure": "category", "at_least": 0.92},
//     {"suite"?: "triage", "measure": "seconds p99", "at_most": 0.5}]}
//
// A floor that no case speaks to counts as missed: a typing error must not pass for a success.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "eval/report.h"

namespace weft::eval {

struct Floor {
  ShareKey key;  // the measure may also be "seconds median" or "seconds p99"
  double limit = 0;
  bool at_least = true;  // else at most
};

// E0922: `text` is no such document; `file` stands in the message.
Result<std::vector<Floor>> read_floors(std::string_view text, const std::string& file);

struct FloorOutcome {
  Floor floor;
  bool met = false;
  bool known = true;  // false: no case has this measure
  double found = 0;
  int64_t right = 0;  // of a share
  int64_t total = 0;
};
std::vector<FloorOutcome> check_floors(const Report& report, const std::vector<Floor>& floors);

// "triage, ko: category 88.0 % (44 of 50), at least 92.0 %"
std::string floor_text(const FloorOutcome& outcome);
json::Object to_json(const FloorOutcome& outcome);

}  // namespace weft::eval
