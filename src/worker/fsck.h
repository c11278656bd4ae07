// SPDX-License-Identifier: Apache-2.0
//
// Whether the store agrees with itself: the hash chains of all writers, and for every run the fold
// of its events against each table that lists, claims and people look at (run, step, timer,
// required_action, inbox, ai_call), and that what has not ended waits for something that can come
// (I7). Reads one moment of the store, while others go on writing; changes nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "store/db.h"

namespace weft::worker {

struct FsckProblem {
  std::string run;   // empty: of no run
  std::string what;  // what the tables say, and what the events say
};

struct FsckReport {
  int64_t runs = 0;
  int64_t events = 0;
  int64_t chains = 0;
  int64_t problems_total = 0;
  std::vector<FsckProblem> problems;  // the first hundred
};

// An error only if the store cannot be read at all.
Result<FsckReport> check_store(store::Db& db);

}  // namespace weft::worker
