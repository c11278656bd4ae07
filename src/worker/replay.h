// SPDX-License-Identifier: Apache-2.0
//
// Makes every decision of a run's models again and compares: the step's parameters are rendered
// from the journal as they were at that attempt, the step type runs with the seed it had, and the
// tokens of prompt and answer must be the same, bit for bit. Nothing is written.
//
// It runs the step type itself, so whatever evidence a step learns to leave, and however many
// calls it makes, is compared here without a change. A difference has one of few causes: other
// weights, a changed template, other numerics (all three are named), or a mistake in weft.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "worker/run_reader.h"
#include "worker/step_type.h"

namespace weft::worker {

struct ReplayedCall {
  std::string path;
  uint32_t attempt = 0;
  uint32_t n = 0;            // of the attempt
  std::string model;
  int64_t tokens = 0;        // generated, as recorded
  std::string difference;    // empty: the same
  std::string remote;        // the server that had answered: not asked again; empty: this process
};

// The calls of a run in the journal's order; blocks until each is made. `services` needs a backend.
// E0604, E0601 as load_run and fold_run; E0713 when `stop` became true meanwhile.
Result<std::vector<ReplayedCall>> replay_run(store::Db& db, std::string_view run,
                                             Services& services,
                                             const std::atomic<bool>* stop = nullptr);

}  // namespace weft::worker
