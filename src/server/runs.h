// SPDX-License-Identifier: Apache-2.0
//
// Runs as the HTTP API sees them: the workflows that may be started by name, the executor that runs
// them (the same that `weft run` uses), what is stored about them, and who waits for news of which
// run. Reading the store happens on the pool: nothing here blocks the loop.
//
// Not here: HTTP. All on the loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "security/permission.h"
#include "server/catalog.h"
#include "server/metrics.h"
#include "server/pace.h"
#include "worker/executor.h"
#include "worker/loop.h"
#include "worker/new_run.h"
#include "worker/run_reader.h"
#include "worker/schema.h"
#include "workflow/definition.h"

namespace weft::server {

struct RunsOptions {
  worker::StorePlace store;
  std::vector<Offered> workflows;
  std::vector<std::string> roots;  // directories that file steps may use; none: refused
};

struct Submission {
  std::string workflow;
  json::Value input;
  int32_t priority = 1;
  std::string idem_key = {};  // empty: none
  std::string tenant = {};
  std::string by = {};        // name of the caller; empty: this machine's user
  std::string key = {};       // whose tokens its models use; empty: nobody's
  std::string callback_url = {};
};
struct Accepted {
  std::string run;
  int64_t estimated_us = 0;  // since 1970: when it will probably be done
  int64_t steps = 0;         // of its workflow
};

// E0601 unless there is such a run of the caller's tenant; E0761 if they may not do that with it.
Result<worker::RunOwner> visible_run(store::Db& db, const security::Caller& caller,
                                     std::string_view run, std::string_view action);

class Runs {
 public:
  static Result<std::unique_ptr<Runs>> open(Env& env, worker::Loop& loop, worker::Pool& pool,
                                            Metrics& metrics, RunsOptions options);
  // Before anything is submitted. The executor outlives this.
  void set_executor(worker::Executor& executor) { executor_ = &executor; }

  const std::map<std::string, std::shared_ptr<const workflow::Workflow>>& workflows() const {
    return catalog_.offered();
  }

  // Those, and what the tenant has stored.
  void workflows_of(std::string tenant, std::function<void(Result<Catalog::Workflows>)> then) {
    read<Catalog::Workflows>(
        [this, tenant = std::move(tenant)](store::Db& db) { return catalog_.all(db, tenant); },
        std::move(then));
  }

  // `done` is called when the run is on disk. E0753 no such workflow, E0310 wrong input, E0754 the
  // key was used for something else.
  void submit(Submission submission, std::function<void(Result<Accepted>)> done);
  // A run made from another one; `done` as above.
  void start(worker::NewRun request, std::function<void(Result<std::string>)> done);

  // Reads on the pool, one at a time, and gives the result to `then` on the loop.
  template <class T>
  void read(std::function<Result<T>(store::Db&)> query, std::function<void(Result<T>)> then) {
    pool_.submit([this, query = std::move(query), then = std::move(then)] {
      const std::lock_guard lock(mutex_);  // results come in the order in which they were read
      const auto result = std::make_shared<Result<T>>(query(*db_));
      loop_.post([result, then] { then(std::move(*result)); });
    });
  }

  // The observer of the executor.
  void tell(const worker::Notice& notice);
  using Listener = std::function<void(const worker::Notice&)>;
  uint64_t listen(const std::string& run, Listener listener);
  void unlisten(uint64_t id);
  // Listeners to that run hear as well of what other processes do to it, within a second, for as
  // long as somebody follows it. All followed runs are looked after by one query, however many
  // follow them.
  void follow(const std::string& run);
  void unfollow(const std::string& run);

 private:
  Runs(Env& env, worker::Loop& loop, worker::Pool& pool, Metrics& metrics)
      : env_(env), loop_(loop), pool_(pool), metrics_(metrics) {}
  struct Before;
  Result<Before> read_before(store::Db& db, const Submission& submission);
  void submit_new(const Submission& submission, Before before,
                  const std::function<void(Result<Accepted>)>& done);
  // `lost`, if it never will be on disk by us.
  void start(worker::NewRun request, std::function<void(Result<std::string>)> done,
             std::function<void(const std::string& run)> lost);
  void count(const std::string& run);
  void wake(const worker::Notice& notice);
  void watch();
  void watched(const std::map<std::string, int64_t>& versions);

  Env& env_;
  worker::Loop& loop_;
  worker::Pool& pool_;
  Metrics& metrics_;
  worker::Executor* executor_ = nullptr;
  std::vector<std::string> roots_;
  Pace pace_;
  std::mutex mutex_;  // of db_ and, beyond what it offers, of catalog_
  Catalog catalog_;
  std::unique_ptr<store::Db> db_;
  struct Followed {
    int64_t followers = 0;
    int64_t version = 0;  // of its row, when it was last seen
  };
  std::map<std::pair<std::string, uint64_t>, Listener> listeners_;  // by run
  std::map<uint64_t, std::string> listened_;                        // what each listens to
  std::map<std::string, Followed> followed_;
  bool watching_ = false;
  uint64_t newest_listener_ = 0;
  std::map<std::string, Submission> being_stored_;  // by key, until they are on disk
};

}  // namespace weft::server
