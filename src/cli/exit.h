// SPDX-License-Identifier: Apache-2.0
//
// Exit codes of every command. Scripts rely on them, so a number never changes its meaning; what
// happened in detail stands in the error on stderr.
#pragma once

namespace weft::cli {

enum Exit : int {
  kExitOk = 0,
  kExitFailed = 1,         // the run or the check failed
  kExitUsage = 2,          // the command line is wrong
  kExitConfiguration = 3,  // configuration or environment
  kExitNotFound = 4,
  kExitRefused = 5,  // permission
  kExitInterrupted = 130,
};

}  // namespace weft::cli
