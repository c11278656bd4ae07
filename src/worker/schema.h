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

#include "base/error.h"
#include "store/db.h"

namespace weft::worker {

std::span<const store::Migration> journal_migrations();

// Opens the store and brings it up to date.
Result<std::unique_ptr<store::Db>> open_journal_store(const std::string& path);

}  // namespace weft::worker
