// SPDX-License-Identifier: Apache-2.0
//
// Ceilings across processes: carries what this process's models have cost into table `spending` of
// the store, and what all others have cost back into the ledger. The journal's thread does it when
// a process starts, once a scan (a second), and when it ends.
//
//   writer ''   a sum: everybody adds to it (what has ended)
//   writer W    what worker W has under way, at most; counts while W holds its lease
//
// So a ceiling is one for all processes of a store, and a restart forgets nothing. Between two
// exchanges processes do not see each other: together they may pass a ceiling by what they all
// begin within a second. docs/routing.md says so to users.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "backend/ledger.h"
#include "base/env.h"
#include "base/error.h"
#include "store/db.h"
#include "worker/lease.h"

namespace weft::worker {

class SpendingExchange {
 public:
  // `env` outlives it.
  SpendingExchange(Env& env, std::shared_ptr<backend::Ledger> ledger)
      : env_(env), ledger_(std::move(ledger)) {}
  // Outside of transactions, from one thread at a time. Writes only where there is something new.
  Status exchange(store::Db& db, const WorkerIdentity& worker);

 private:
  Result<backend::Spending> tell(store::Db& db, const WorkerIdentity& worker,
                                 const backend::Ledger::News& news, int64_t month);
  Status clean(store::Db& db, int64_t month);
  Result<backend::Spending> read(store::Db& db, const WorkerIdentity& worker, int64_t month);

  Env& env_;
  const std::shared_ptr<backend::Ledger> ledger_;
  std::string told_by_;     // the worker under whose name
  backend::Spending told_;  // stands in the store as under way
  int64_t next_clean_ns_ = 0;
};

}  // namespace weft::worker
