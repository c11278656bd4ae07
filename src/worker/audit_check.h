// SPDX-License-Identifier: Apache-2.0
//
// Whether the history of a store is what was written: every hash chain of events and of audit
// records is gone through from its beginning, and beside the checkpoints, if there are any. The
// chains find what was changed, removed, inserted or moved in their middle; the checkpoints find
// what is missing at their ends, chains that are gone, and a store of another day.
//
// It reads only, one moment of the store; a proof is as good as the place of the checkpoints.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "store/db.h"

namespace weft::worker {

struct AuditReport {
  int64_t events = 0;
  int64_t records = 0;         // of the audit
  int64_t chains = 0;          // of both
  int64_t checkpoints = 0;
  int64_t proven_until_us = 0; // of the newest checkpoint; 0: there is none
  int64_t uncovered_chains = 0;  // that no checkpoint names: written by commands, or since
  int64_t uncovered_links = 0;   // behind the newest checkpoint of their chain
  int64_t pruned_records = 0;    // removed on purpose, as a signed line says
  int64_t pruned_runs = 0;       // likewise: of these, only links are left
  int64_t pruned_before_us = 0;  // these were older
  int64_t sealed_chains = 0;     // after they had been written plain, as a signed line says
  std::string key = {};          // public, that the checkpoints are signed with, in hexadecimal
  std::optional<Error> problem = {};  // the first: E0512, E0607, E0765, E0766
};
// `checkpoints`: the text of the file; empty: none. `key`: the public key that is expected, in
// hexadecimal; empty: that of the first line. Errors only of the store and of a malformed `key`.
Result<AuditReport> check_audit(store::Db& db, std::string_view checkpoints,
                                std::string_view key = {});
// As `weft audit verify --json` and GET /audit/verify show it.
json::Object to_json(const AuditReport& report);

}  // namespace weft::worker
