// SPDX-License-Identifier: Apache-2.0
//
// The two ends of a pipe to a child process, closed on exec and at the end of their scope.
// Whoever hands an end to somebody else releases it.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/descriptor.h"
#include "base/error.h"

namespace weft::worker {

struct Pipe {
  Descriptor read, write;
  // E0627: this process may open no more files.
  static Result<Pipe> make() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return make_error("E0627", std::strerror(errno));
    return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
  }
};

// A reader that has ended, be it of our log, must not end this process: writing to it fails.
inline void ignore_broken_pipes() { ::signal(SIGPIPE, SIG_IGN); }

}  // namespace weft::worker
