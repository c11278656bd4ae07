// SPDX-License-Identifier: Apache-2.0
//
// For tests: a real SQLite store whose clock is the simulated world's, and whose commits fail on
// demand, before or after they reached the disk. Everything else is the production driver.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/env.h"
#include "store/db.h"
#include "store/postgres.h"
#include "worker/schema.h"

namespace weft::worker {

struct SimFaults {
  int64_t commits_until_fault = -1;  // < 0: never; 0: the next commit fails
  bool after_commit = false;         // the commit reached the disk, its caller hears an error
  int64_t deadlocks = 0;             // so many commits to come fail as the victim of a deadlock
  int64_t locked_reads = 0;          // so many queries to come find a lock
};

class SimStore final : public store::Db {
 public:
  SimStore(std::unique_ptr<store::Db> db, Env& env, SimFaults& faults)
      : db_(std::move(db)), env_(env), faults_(faults) {}
  static Result<std::unique_ptr<store::Db>> open(const StorePlace& place, Env& env,
                                                 SimFaults& faults) {
    auto db = TRY(open_journal_store(place));
    // simulated processes die, the machine does not
    TRY(db->script(store::is_postgres_url(place.path) ? "SET synchronous_commit = off"
                                                      : "PRAGMA synchronous=OFF"));
    return Result<std::unique_ptr<store::Db>>(
        std::make_unique<SimStore>(std::move(db), env, faults));
  }

  using Db::query;
  using Db::run;
  Result<int64_t> run(std::string_view sql, store::Values values) override {
    return db_->run(sql, values);
  }
  using Db::post;
  Status post(std::string_view sql, store::Values values) override {
    return db_->post(sql, values);
  }
  Result<std::unique_ptr<store::Rows>> query(std::string_view sql,
                                             store::Values values) override {
    if (faults_.locked_reads > 0) {
      --faults_.locked_reads;
      return make_error("E0504", "injected: a row is locked");
    }
    return db_->query(sql, values);
  }
  Status script(std::string_view sql) override { return db_->script(sql); }
  Status begin() override { return db_->begin(); }
  Status begin_reading() override { return db_->begin_reading(); }
  Status commit() override {
    if (faults_.deadlocks > 0) {
      --faults_.deadlocks;
      return make_error("E0504", "injected: deadlock detected");
    }
    const bool fault = faults_.commits_until_fault == 0;
    if (faults_.commits_until_fault >= 0) --faults_.commits_until_fault;
    if (fault && !faults_.after_commit) return make_error("E0503", "injected: no space left");
    TRY(db_->commit());
    if (fault) return make_error("E0506", "injected: error after the commit");
    return ok_status();
  }
  Status hint() override { return db_->hint(); }
  std::string_view skip_locked() const override { return db_->skip_locked(); }
  std::string_view share_lock() const override { return db_->share_lock(); }
  void rollback() override { db_->rollback(); }
  store::Sealer* sealer() override { return db_->sealer(); }
  Result<bool> write_back() override { return db_->write_back(); }
  Result<bool> rewrite(std::span<const std::string_view> tables) override {
    return db_->rewrite(tables);
  }
  Result<int64_t> now_ms() override { return env_.wall_us() / 1000; }

 private:
  std::unique_ptr<store::Db> db_;
  Env& env_;
  SimFaults& faults_;
};

}  // namespace weft::worker
