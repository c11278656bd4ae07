// SPDX-License-Identifier: Apache-2.0
//
// What a webhook has not been told of the checkpoints. The file of checkpoints is the outbox: its
// lines are on disk before anybody waits for them, so neither a crash nor a receiver that is down
// for a month loses one. How far the receiver has it stands beside it, in FILE.told:
//
//   {"receiver":HASH OF ITS URL,"lines":N,"bytes":WHERE LINE N ENDS,"last":HASH OF LINE N}
//
// The next line must continue that one. If it does not, or the file is shorter, the file is another
// one: the log says so, and the receiver is told everything from the first line on, in which it
// sees what changed. So it is with a receiver that is new.
//
// Of the processes that share a file one tells, by a lock on FILE.told that ends with it. A batch
// may be told twice, and begins with the same line then.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "base/descriptor.h"
#include "base/error.h"

namespace weft::security {

class CheckpointOutbox {
 public:
  CheckpointOutbox(std::string file, std::string_view receiver);

  struct Batch {
    int64_t first = 0;  // numbers of lines
    int64_t last = 0;
    int64_t at_us = 0;  // of the first
    std::string text;   // whole lines, as they are in the file
    int64_t end = 0;    // where they end in it
    std::string last_hash;
  };
  // Nothing: all is told, or another process tells it. From any thread, as acknowledge(). E0764,
  // E0766.
  Result<std::optional<Batch>> next();
  // The receiver has it.
  Status acknowledge(const Batch& batch);
  int64_t told() const;  // lines

 private:
  struct Told {
    int64_t lines = 0;
    int64_t bytes = 0;
    std::string last = {};
  };
  Result<bool> hold();
  Result<std::optional<Batch>> read() const;

  const std::string file_;
  const std::string receiver_;
  mutable std::mutex mutex_;  // guards what follows
  std::optional<Descriptor> place_;  // of FILE.told; held, it is this process that tells
  Told told_;
};

}  // namespace weft::security
