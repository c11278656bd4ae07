// SPDX-License-Identifier: Apache-2.0
#include "runtime/deadline.h"

#include <algorithm>

namespace weft::runtime {

using grammar::Haste;

Haste haste_needed(grammar::Guide* guide, Haste present, double left, const Backlog& backlog,
                   const TickTimes& times) {
  for (const Haste haste : {Haste::kAtOnce, Haste::kShortest, Haste::kAnswer}) {
    if (haste <= present) break;
    const grammar::Ending ending = guide != nullptr ? guide->ending(haste) : grammar::Ending();
    // One more tick goes by before this is asked again.
    double needed = times.longest();
    if (ending.passes > 0) {
      if (!backlog.decodes) continue;  // nothing is written yet: there is no thinking to be ended
      needed = std::max(needed, times.expect(ending.passes + 1, ending.tokens + backlog.rows));
    }
    if (left <= needed) return haste;
  }
  return Haste::kGoOn;
}

}  // namespace weft::runtime
