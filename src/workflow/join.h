// SPDX-License-Identifier: Apache-2.0
//
// Joins: whether the ends of a step's predecessors let it run. A function of four counts, the
// table at planner.h as code; nothing else in the program decides this.
#pragma once

#include <cstdint>

#include "workflow/definition.h"

namespace weft::workflow {

// Predecessors that ended, by how they count: tolerated failures as skipped, timeouts as failed.
struct Arrivals {
  uint32_t ok = 0, skipped = 0, failed = 0, cancelled = 0;
  uint32_t total() const { return ok + skipped + failed + cancelled; }
};

enum class Verdict : uint8_t { kWait, kRun, kFail, kCancel };

// `predecessors` is the number of all of them, ended or not; none: kRun.
Verdict judge(Join join, const Arrivals& arrivals, uint32_t predecessors);

}  // namespace weft::workflow
