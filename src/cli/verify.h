// SPDX-License-Identifier: Apache-2.0
//
// `weft fsck` and `weft replay`: proof from the store alone. fsck says whether tables and journal
// agree; replay makes every decision of a run's models again and compares the tokens. Both only
// read; exit code 1 when something does not agree.
#pragma once

#include <string>

#include "cli/config_encryption.h"
#include "cli/model_flags.h"

namespace weft::cli {

struct FsckOptions {
  StoreFlags store;
  bool json = false;
};
int run_fsck(const FsckOptions& options);

struct ReplayOptions {
  StoreFlags store;
  std::string run;
  ModelFlags model;     // with which the run was made
  bool verify = false;  // exit code 1 unless all tokens are equal
  bool json = false;
};
int run_replay(const ReplayOptions& options);

}  // namespace weft::cli
