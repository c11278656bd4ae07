// SPDX-License-Identifier: Apache-2.0
//
// `weft run FILE`: checks the document and the input, stores the run, works on it in this process
// and shows how it goes. The run outlives the process: after Ctrl-C or a crash any other weft
// process continues it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/config_encryption.h"
#include "cli/grants.h"

namespace weft::cli {

struct RunOptions {
  std::string file;
  std::vector<std::string> inputs;  // "key=value" or "@file.json"
  std::string model;                // replaces the model of every llm step
  StoreFlags store;
  Grants grants;
  bool json = false;
  bool follow = false;              // show what models write
  bool detach = false;              // leave the run to a process in the background
  uint64_t seed = 0;
  bool dry_run = false;             // nothing is sent, changed or kept (dry_run.h)
  std::vector<std::string> answers; // of what a dry run does not do
};

int run_workflow(const RunOptions& options);

}  // namespace weft::cli
