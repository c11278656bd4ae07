// SPDX-License-Identifier: Apache-2.0
//
// The tables of the journal as numbered migrations: definition, run, step, event, timer, worker,
// effect, blob, ai_call, inbox, required_action. State tables (run, step, timer) are what people
// and schedulers look at; `event` is the append-only history that folds to the same state. Later
// editions only add.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>

#include "base/error.h"
#include "security/master_keys.h"
#include "store/db.h"

namespace weft::worker {

std::span<const store::Migration> journal_migrations();

// A store, and what opens its sealed payloads.
struct StorePlace {
  StorePlace() = default;
  StorePlace(std::string path_of_it, security::MasterKeySource key = {})  // NOLINT
      : path(std::move(path_of_it)), master(std::move(key)) {}
  std::string path;                        // a file, or postgres://…
  security::MasterKeySource master = {};   // null: payloads are stored as they are
};
// With a master key what comes back seals and opens payloads (store/sealer.h). E0508: the store is
// sealed, and there is none; E0509: it is another one. `any_key`: for those who read no payload.
Result<std::unique_ptr<store::Db>> open_journal_store(const StorePlace& place,
                                                      bool any_key = false);

}  // namespace weft::worker
