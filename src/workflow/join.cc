// SPDX-License-Identifier: Apache-2.0
#include "workflow/join.h"

#include "base/error.h"

namespace weft::workflow {

Verdict judge(Join join, const Arrivals& arrivals, uint32_t predecessors) {
  CHECK(arrivals.total() <= predecessors, "{} of {} predecessors", arrivals.total(), predecessors);
  if (predecessors == 0) return Verdict::kRun;
  if (join == Join::kAnyOk && arrivals.ok > 0) return Verdict::kRun;
  if (arrivals.total() < predecessors) return Verdict::kWait;
  switch (join) {
    case Join::kAllOk:
      if (arrivals.failed > 0) return Verdict::kFail;
      return arrivals.cancelled > 0 ? Verdict::kCancel : Verdict::kRun;
    case Join::kNoneFailed:
      return arrivals.failed > 0 ? Verdict::kFail : Verdict::kRun;
    case Join::kAnyOk:
      if (arrivals.skipped > 0) return Verdict::kRun;
      return arrivals.failed > 0 ? Verdict::kFail : Verdict::kCancel;
    case Join::kAllDone:
      return Verdict::kRun;
  }
  CHECK(false, "join {}", static_cast<int>(join));
}

}  // namespace weft::workflow
