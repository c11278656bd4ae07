// SPDX-License-Identifier: Apache-2.0
//
// Hints of a PostgreSQL store that there is something to do: a connection of its own that listens,
// and a thread that waits on it. Whoever leaves work for others says so with Db::hint(); the server
// tells everybody who listens when that transaction is on disk.
//
// A hint may be lost, late or void: whoever gets one looks sooner than it would have, and no more
// may depend on it. When the connection breaks it is made anew, in silence: what it brings comes by
// the regular looks meanwhile.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "base/descriptor.h"
#include "base/error.h"

namespace weft::store {

class PostgresHints {
 public:
  // `heard` is called on the thread, once for any number of hints that came together, and once
  // whenever it begins to listen. It must not block.
  static Result<std::unique_ptr<PostgresHints>> start(std::string url,
                                                      std::function<void()> heard);
  ~PostgresHints();

 private:
  PostgresHints(std::string url, std::function<void()> heard, Descriptor stop);
  void listen();
  Status hear_until_broken();
  bool stopped_within(int ms) const;

  std::string url_;
  std::function<void()> heard_;
  Descriptor stop_;  // an event: readable when the thread shall end
  std::thread thread_;
};

}  // namespace weft::store
