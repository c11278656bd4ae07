// SPDX-License-Identifier: Apache-2.0
//
// Runs that ended long ago go, and what stays can still be proven. Their rows are removed, and of
// their events everything but the links of the chain:
//
//   event: run, seq, at_us, kind 'pruned', path '', body '', worker, epoch, n, prev_hash, hash
//
// since chains run through many runs. A signed line beside the checkpoints says first how many
// events each run had, and the digest over their links in the order of the chains
//
//   digest(0) = "";  digest(i) = SHA-256(digest(i-1) | hash of event i)
//
// so that no other event can be passed off as one that went on purpose (worker/audit_check). A
// crash between line and removal leaves a run that may be missing and is not. The store keeps the
// same line, signed alike: of several servers with files of their own and one signing key, each
// finds there what the others have removed.
//
// A run stays while it is part of another that has not ended, or its callback is not delivered.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "security/checkpoint.h"
#include "store/db.h"

namespace weft::worker {

constexpr std::string_view kPrunedEvent = "pruned";  // its kind

// At most `limit` runs that ended before, the oldest first.
Result<std::vector<security::PrunedRun>> plan_run_pruning(store::Db& db, int64_t before_us,
                                                          int64_t limit);
// How many such runs there are.
Result<int64_t> count_prunable(store::Db& db, int64_t before_us);
// In one transaction. The line must have been appended to the file of checkpoints; `line` is the
// same for the store (security::signed_removal), where it goes with the runs.
Status remove_runs(store::Db& db, std::span<const security::PrunedRun> runs,
                   std::string_view line = {});
// The file's line, then that.
Status remove_provably(store::Db& db, const std::string& checkpoints, const security::Secret& seed,
                       const security::RunPruning& pruning);
// Adds what lines in the store say under the key of these checkpoints.
Status add_stored_removals(store::Db& db, security::Checkpoints& checkpoints);

// The links of one run's events, as the line names them.
Result<security::PrunedRun> pruned_links(store::Db& db, std::string_view run);
// Adds the next link of a run's events.
void add_pruned_link(security::PrunedRun& run, std::string_view hash);

}  // namespace weft::worker
