// SPDX-License-Identifier: Apache-2.0
//
// A store that was made without a master key and now has one: everything that would have been
// sealed on its way in (worker/places.h) is sealed where it lies, under the data keys of its
// tenants, and the file is written anew, so that no free page holds what was there.
//
//   verify the whole history → values, table by table → chains (chain_seal.h) → a signed line →
//   the store written anew → verify once more
//
// In short transactions, and nothing is remembered but how far chains are: called again after a
// crash it passes over what is sealed. Nobody else may work on the store meanwhile.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/error.h"
#include "security/crypto.h"
#include "store/db.h"

namespace weft::worker {

struct StoreSealing {
  std::string checkpoints;     // file; made if there is none
  security::Secret seed = {};  // signs it
  int64_t batch = 200;         // rows a transaction
  std::function<void(std::string_view doing)> on_phase = {};
};
struct StoreSealed {
  int64_t values = 0;   // outside chains
  int64_t events = 0;
  int64_t records = 0;  // of the audit
  int64_t chains = 0;   // written anew
  bool wiped = true;    // false: a reader keeps older pages in the store's log for now
};
// `db`: opened with its master key. E0512: a process works on it; E0607, E0765, E0766: its history
// is not what was written.
Result<StoreSealed> seal_store(store::Db& db, const StoreSealing& sealing);

}  // namespace weft::worker
