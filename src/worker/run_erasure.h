// SPDX-License-Identifier: Apache-2.0
//
// One run goes because somebody asks for it (a person's right to erasure), not because its time has
// come (retention.h): with everything it ran inside itself, at once, and provably. The signed line
// and what is left of the events are those of run_prune.h.
//
// The whole history is not verified first, which would cost as much as the store is long: the
// run's own events are, each against its link, so that nothing that was changed goes unseen with
// the rest. The links stay, and `weft audit verify` holds them to the checkpoints as before.
//
// What it does not reach: runs that were made from this one (they are named), backups, files that
// steps wrote, and what was sent elsewhere.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "security/crypto.h"
#include "store/db.h"

namespace weft::worker {

// Where a removal is said, and what signs it. A store has one such file (docs/audit.md).
struct ErasureProof {
  std::string checkpoints;
  security::Secret seed = {};
};

struct Erased {
  std::vector<std::string> runs;    // the one that was named, then what it ran inside itself
  int64_t events = 0;               // of which only links are left
  std::vector<std::string> copies;  // runs made from these, which hold what they took over
  int64_t untold = 0;               // callbacks that were not delivered yet, and now never are
  bool wiped = true;                // false: readers keep older pages in the store's log for now
};
// E0601: there is no such run; E0614: it, or a part of it, has not ended, or it is itself a part of
// another; E0607: its events are not what was written; E0764, E0766 of the file.
Result<Erased> plan_erasure(store::Db& db, std::string_view run);
// That, and does it. `by`: who asked, for the line.
Result<Erased> erase_run(store::Db& db, const ErasureProof& proof, std::string_view run,
                         std::string_view by);

// As `weft runs delete --json` and DELETE /workflows/{task_id} show it.
json::Object to_json(const Erased& erased);

}  // namespace weft::worker
