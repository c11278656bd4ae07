// SPDX-License-Identifier: Apache-2.0
//
// Two evaluations over the same cases: what was fixed, what was broken, and whether the
// difference is more than chance (McNemar's exact test on the pairs). Cases are paired by suite
// and id; those that only one report has are counted and otherwise ignored.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "eval/report.h"

namespace weft::eval {

// The part of an earlier report that a comparison needs.
struct Baseline {
  std::string name;     // of the subject
  std::string started;
  // Marks by (suite, id), by measure.
  std::map<std::pair<std::string, std::string>, std::map<std::string, bool>> cases;
};

// E0921: `text` is no report that `weft eval --json` wrote; `file` stands in the message.
Result<Baseline> read_baseline(std::string_view text, const std::string& file);

struct Difference {
  ShareKey key;
  Share before;  // over the pairs only
  Share now;
  int64_t fixed = 0;
  int64_t broken = 0;
  double p = 1;
  bool significant() const { return p < 0.05; }
};

struct ChangedCase {
  const CaseResult* now = nullptr;
  std::vector<std::string> fixed;   // measures
  std::vector<std::string> broken;
};

struct Comparison {
  Baseline baseline;
  int64_t pairs = 0;
  int64_t only_before = 0;
  int64_t only_now = 0;
  std::vector<Difference> differences;  // for each share of the report that has pairs, in its order
  std::vector<ChangedCase> changed;     // in the order of the report; it must outlive this
};

Comparison compare(const Report& report, Baseline baseline);

json::Object to_json(const Comparison& comparison);

}  // namespace weft::eval
