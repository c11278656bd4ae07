// SPDX-License-Identifier: Apache-2.0
//
// Who may write what. Each weft process has one worker row with an epoch and a lease; a run belongs
// to the worker named in its row. A process renews its lease with a heartbeat; a scan by any other
// process finds expired leases, removes their rows and gives their runs back, all in one
// transaction. From then on nothing of the old owner is written: it has no row, and its runs' owner
// no longer matches. Claiming a given-back run is the same act as claiming a new one.
//
// Only the store's clock is compared with leases. Every function runs inside the caller's
// transaction, except where it says otherwise.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/error.h"
#include "store/db.h"

namespace weft::worker {

struct WorkerIdentity {
  std::string id;
  int64_t epoch = 0;
};

// A new worker with a fresh id. In a transaction of its own.
Result<WorkerIdentity> register_worker(store::Db& db, Env& env, std::string_view labels,
                                       int64_t lease_ms);

// Whether the worker is still who it was; renew_lease also extends the lease. False: fenced, the
// worker must write nothing more.
Result<bool> lease_is_current(store::Db& db, const WorkerIdentity& worker);
Result<bool> renew_lease(store::Db& db, const WorkerIdentity& worker, int64_t lease_ms);

// Whether expire_workers or claim_runs would find something. Reads only; needs no transaction.
struct ScanNeeds {
  bool expired = false;
  bool unclaimed = false;  // a run that belongs to nobody could go on
};
Result<ScanNeeds> scan_needs(store::Db& db);

// Ends the leases of workers of which `known_dead` proves that they are gone; true if there were.
using KnownDead = bool (*)(std::string_view labels);
Result<bool> end_leases_of_dead(store::Db& db, KnownDead known_dead);

// How many workers have a lease that has not ended. Reads only; needs no transaction.
Result<int64_t> working(store::Db& db);

// Removes expired workers and gives their unfinished runs back, but not `self`: whoever looks is
// alive, and would go on claiming under an epoch that it has just ended. How many runs.
Result<int64_t> expire_workers(store::Db& db, const WorkerIdentity& self);

// A parked run is claimed so long before its time, so that its timer can fire on time.
constexpr int64_t kWakeAheadUs = 2'000'000;

// How many runs may be claimed: those that have something to do now, and those that only wait for
// a time that is near, which need memory and no more.
struct ClaimRoom {
  ClaimRoom(int64_t all) : ClaimRoom(all, all) {}  // NOLINT
  ClaimRoom(int64_t of_runs, int64_t of_wakes) : runs(of_runs), wakes(of_wakes) {}
  int64_t runs;
  int64_t wakes;
};

// Takes unclaimed runs: those with messages, those whose time to wake has come, then by priority
// and age; or only `run`, whatever it waits for.
Result<std::vector<std::string>> claim_runs(store::Db& db, const WorkerIdentity& worker,
                                            ClaimRoom room, std::string_view run = {});

// Gives one run back, or ends the worker: its runs are given back and its row goes. With `wake_us`
// the run is parked: unless a message comes, nobody need look at it before then.
Status release_run(store::Db& db, const WorkerIdentity& worker, std::string_view run,
                   std::optional<int64_t> wake_us = {});
Status release_worker(store::Db& db, const WorkerIdentity& worker);

}  // namespace weft::worker
