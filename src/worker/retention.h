// SPDX-License-Identifier: Apache-2.0
//
// What the operator says may go after how long, put into practice by the server itself: audit
// records (audit_prune.h) and runs that have ended (run_prune.h). Before anything goes the whole
// history is verified: one that does not fit is not pruned, and said loudly.
//
// It works on the pool, in short transactions, so no request and no run waits for it. Of several
// processes on one store one is told to: the file of checkpoints must be the store's only one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "security/audit.h"
#include "security/checkpoint.h"
#include "security/crypto.h"
#include "store/db.h"
#include "worker/loop.h"

namespace weft::worker {

struct RetentionRules {
  int64_t every_us = 0;
  int64_t audit_us = 0;    // how long audit records stay; 0: for ever
  int64_t runs_us = 0;     // how long runs stay after their end; 0: for ever
  std::string checkpoints = {};  // file
  security::Secret seed = {};    // signs it
};

struct Retained {
  int64_t before_audit_us = 0;
  int64_t before_runs_us = 0;
  int64_t records = 0;  // of the audit, removed
  int64_t runs = 0;     // removed
};
// Once. E0607, E0765, E0766: the history does not fit.
Result<Retained> apply_retention(store::Db& db, const RetentionRules& rules);

// What the audit says of it; of what was not removed, nothing.
std::vector<security::AuditRecord> retention_records(const Retained& retained);

// The checkpoints of a store whose whole history fits them. E0766 also if there are none.
Result<security::Checkpoints> proven_checkpoints(store::Db& db, const std::string& file,
                                                 const security::Secret& seed);

// Applies the rules soon after start() and then every `every_us`, while it lives.
class Retention : public std::enable_shared_from_this<Retention> {
 public:
  using OpenStore = std::function<Result<std::unique_ptr<store::Db>>()>;
  using Heard = std::function<void(const Retained&)>;  // on the loop, if something went
  Retention(Loop& loop, Pool& pool, RetentionRules rules, OpenStore open, Heard heard);
  void start();
  void stop();  // on the loop's thread; what is under way ends unheard

  struct State {
    int64_t records = 0;  // removed since the start
    int64_t runs = 0;
    int64_t failures = 0;
    int64_t applied_us = 0;  // when it last was done; 0: never
  };
  const State& state() const { return state_; }  // on the loop

 private:
  void apply();
  void done(Result<Retained> retained);
  void later(int64_t delay_us);

  Loop& loop_;
  Pool& pool_;
  const RetentionRules rules_;
  const OpenStore open_;
  const Heard heard_;
  State state_;
  Loop::TimerId timer_ = 0;
  bool stopped_ = false;
};

}  // namespace weft::worker
