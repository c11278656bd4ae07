// SPDX-License-Identifier: Apache-2.0
//
// A worker process put together: loop, pool, journal and executor in the order in which they may
// be born and must die. `weft run`, `weft runs resume` and (later) `weft worker` and `weft serve`
// are this with different observers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/error.h"
#include "store/postgres_hints.h"
#include "worker/asio_loop.h"
#include "worker/executor.h"
#include "worker/journal.h"
#include "worker/mcp_client.h"
#include "worker/schema.h"
#include "worker/spending.h"
#include "worker/tool_settings.h"

namespace weft::worker {

struct ProcessOptions {
  StorePlace store;
  int64_t adopt_max = 0;      // how many runs it works on while it may still claim others
  int64_t park_us = 0;        // ExecutorOptions, as the next two
  bool park_asking = false;
  std::function<void(const std::string& key, int64_t tokens)> on_tokens = {};
  backend::Backend* backend = nullptr;  // used until shutdown
  std::shared_ptr<backend::Ledger> ledger = {};  // ceilings, shared through the store; may be null
  std::vector<std::string> allowed_hosts;  // of http steps: may lie in private networks
  ToolSettings tools = {};
  Rehearsal* rehearsal = nullptr;          // a dry run; outlives the process
  // JournalOptions::checkpoint
  std::function<Status(int64_t at_us, std::span<const security::ChainState>)> checkpoint = {};
};

class Process {
 public:
  static Result<std::unique_ptr<Process>> start(ProcessOptions options,
                                                Executor::Observer observer);
  ~Process();

  AsioLoop& loop() { return loop_; }
  // For what waits for nobody but the disk: requests, the store. Steps have others.
  ThreadPool& pool() { return pool_; }
  Executor& executor() { return *executor_; }
  Journal& journal() { return *journal_; }
  // Steps that wait for a thread, by what the threads are for.
  struct StepsWaiting {
    int64_t files = 0;
    int64_t commands = 0;
    int64_t peers = 0;
  };
  StepsWaiting steps_waiting() const {
    return {file_pool_.waiting(), command_pool_.waiting(), peer_pool_.waiting()};
  }
  net::Client& http() { return *http_; }

  // Runs until stop(), which may come from any thread. Then what was decided is written, unfinished
  // runs are given back, and the error of the store, if there was one, is returned.
  Status run();
  void stop() { loop_.stop(); }

 private:
  explicit Process(ProcessOptions options);
  ProcessOptions options_;
  AsioLoop loop_;
  ThreadPool pool_;
  ThreadPool file_pool_;
  ThreadPool command_pool_;
  ThreadPool peer_pool_;
  std::unique_ptr<net::Client> http_;
  std::unique_ptr<McpClient> mcp_;
  Services services_;
  std::optional<SpendingExchange> spending_;  // on the journal's thread
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<store::PostgresHints> hints_;  // ends before the journal that it tells
  std::shared_ptr<Executor> executor_;
};

}  // namespace weft::worker
