// SPDX-License-Identifier: Apache-2.0
//
// A child process in a sandbox of bubblewrap: no network, no view of other processes, the system's
// programs read-only, a private /tmp of 256 MiB, an environment of its own, and nothing of this
// machine's files but a directory that is named. Time, memory of each process and output are
// bounded, and so is the number of processes (256) where Linux can count them: since 5.14, and not
// for root. When it ends, or its parent does, everything it started ends with it.
//
// Blocks: call it on a Pool. E0627: there is no sandbox, the program did not start, or it used up
// what it may.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"

namespace weft::worker {

struct SandboxRequest {
  std::vector<std::string> command;   // program and arguments; the program by name or path
  std::string input = {};             // of its standard input
  std::string directory = {};         // seen as /work, writable; empty: none
  std::map<std::string, std::string> environment = {};
  int64_t timeout_ms = 60'000;
  size_t output_bytes_max = size_t{4} << 20;  // standard output and error, each
  size_t memory_bytes_max = size_t{1} << 30;
  const std::atomic<bool>* stop = nullptr;  // set from any thread: it is ended within 0.1 s
};

struct SandboxResult {
  int exit_code = 0;                  // 128 + signal if one ended it
  std::string output;
  std::string error_output;
};

Result<SandboxResult> run_sandboxed(const SandboxRequest& request);

}  // namespace weft::worker
