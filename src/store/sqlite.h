// SPDX-License-Identifier: Apache-2.0
//
// SQLite behind store/db.h: write-ahead log, synchronous=FULL (a commit that returned survives
// power loss), prepared statements cached per connection, waiting for locks with short pauses. The
// file is created with mode 0600: it holds inputs and outputs of runs.
//
// Any number of connections, in any number of processes, may use one file; it must lie on a local
// disk (the log's index is shared memory).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "store/db.h"

namespace weft::store {

struct SqliteOptions {
  std::string path;
  int64_t busy_ms_max = 30'000;  // how long one statement waits for another writer
  bool create = true;            // false: a missing file is E0501
  // What a new store begins with: runs on a database in memory whose image becomes the file. So a
  // store appears whole, or not at all, and costs two syncs instead of eight.
  std::function<Status(Db&)> fill = {};
};

Result<std::unique_ptr<Db>> open_sqlite(const SqliteOptions& options);

}  // namespace weft::store
