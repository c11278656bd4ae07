// SPDX-License-Identifier: Apache-2.0
//
// Audit records that are old enough go, and what stays can still be proven: of each chain a
// beginning is removed, up to a link that a checkpoint has signed, and a signed line beside the
// checkpoints says which (security/checkpoint.h). The order is: verify everything, plan, append the
// line, remove; a crash in between leaves more records than the line allows to be missing.
//
// Events of runs are not removed so: their chains run through many runs (run_prune.h).
#pragma once

#include <cstdint>

#include "base/error.h"
#include "security/checkpoint.h"
#include "store/db.h"

namespace weft::worker {

// What is older than `before_us` and can go. Of a store whose history fits its checkpoints.
Result<security::Pruning> plan_pruning(store::Db& db, const security::Checkpoints& checkpoints,
                                       int64_t before_us);
// In one transaction; how many records went. The line must have been appended.
Result<int64_t> remove_pruned(store::Db& db, const security::Pruning& pruning);

}  // namespace weft::worker
