// SPDX-License-Identifier: Apache-2.0
//
// `weft worker`: works on whatever runs a store has, beside any number of other workers, until it
// is told to stop. With a PostgreSQL store the workers may be on many machines; the database is
// their only meeting point, and a worker outlives its restarts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/config_encryption.h"
#include "cli/grants.h"

namespace weft::cli {

struct WorkerOptions {
  StoreFlags store;
  int64_t runs_max = 64;  // worked on at a time
  Grants grants;
};
int run_worker(const WorkerOptions& options);

}  // namespace weft::cli
