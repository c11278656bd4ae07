// SPDX-License-Identifier: Apache-2.0
//
// `weft runs …` and `weft explain`: what the store knows about runs, and continuing them. Every
// answer comes from the store alone, so it does not matter which process ran or runs a run.
// Options as the command line has them; exit codes as in cli/exit.h.
#pragma once

#include <cstdint>
#include <string>

#include "cli/config_encryption.h"
#include "cli/grants.h"

namespace weft::cli {

struct RunsListOptions {
  StoreFlags store;
  std::string status;
  std::string workflow;
  int64_t limit = 20;
  bool json = false;
};
int list_runs(const RunsListOptions& options);

struct RunsShowOptions {
  StoreFlags store;
  std::string run;   // id, or a unique part of it
  std::string step;  // explain only; empty: all
  bool json = false;
};
int show_run(const RunsShowOptions& options);
int explain(const RunsShowOptions& options);

// Continues a run, or every run that belongs to nobody, until they end.
struct RunsResumeOptions {
  StoreFlags store;
  std::string run;   // empty: all
  bool json = false;
  bool quiet = false;
  bool follow = false;
  Grants grants;
};
int resume_runs(const RunsResumeOptions& options);

}  // namespace weft::cli
