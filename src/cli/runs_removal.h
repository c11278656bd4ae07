// SPDX-License-Identifier: Apache-2.0
//
// `weft runs delete RUN` and `weft runs prune --older-than 90d`: what becomes of runs that nobody
// may or needs to keep. Both say so in a signed line beside the checkpoints before anything goes
// (worker/run_erasure.h, worker/retention.h) and in the audit afterwards; `--dry-run` only counts.
#pragma once

#include <string>

#include "cli/config_encryption.h"

namespace weft::cli {

struct RunsRemovalOptions {
  std::string run;         // delete: id of the run, or its unique end
  std::string older_than;  // prune: a duration since their end; empty: retention.runs of weft.yaml
  bool dry_run = false;
  std::string config;
  StoreFlags store;
  bool json = false;
};
int delete_run(const RunsRemovalOptions& options);
int prune_runs(const RunsRemovalOptions& options);

}  // namespace weft::cli
