// SPDX-License-Identifier: Apache-2.0
#include "worker/retention.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/env.h"
#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "obs/log.h"
#include "worker/audit_check.h"
#include "worker/audit_prune.h"
#include "worker/run_prune.h"

namespace weft::worker {
namespace {

constexpr int64_t kFirstUs = 60'000'000;  // the start has other things to do
constexpr int64_t kRunsAtOnce = 100;      // a transaction; others write in between

Result<int64_t> prune_records(store::Db& db, const RetentionRules& rules,
                              const security::Checkpoints& checkpoints, int64_t before_us) {
  const security::Pruning pruning = TRY(plan_pruning(db, checkpoints, before_us));
  if (pruning.records == 0) return 0;
  TRY(security::append_pruning(rules.checkpoints, rules.seed, TRY(db.now_ms()) * 1000, pruning));
  return remove_pruned(db, pruning);
}

Result<int64_t> prune_runs(store::Db& db, const RetentionRules& rules, int64_t before_us) {
  int64_t removed = 0;
  for (;;) {
    const auto runs = TRY(plan_run_pruning(db, before_us, kRunsAtOnce));
    if (runs.empty()) return removed;
    TRY(remove_provably(db, rules.checkpoints, rules.seed,
                        {.at_us = TRY(db.now_ms()) * 1000, .before_us = before_us, .runs = runs}));
    removed += std::ssize(runs);
  }
}

}  // namespace

Result<security::Checkpoints> proven_checkpoints(store::Db& db, const std::string& file,
                                                 const security::Secret& seed) {
  if (!file_exists(file)) {
    return make_error("E0766", fmt::format("there are no checkpoints at {}", quoted(file, 300)),
                      "a server or worker writes them; without them nothing can be proven later");
  }
  const std::string text = TRY(read_file(file));
  const std::string key = security::public_key(seed);
  const auto report = TRY(check_audit(db, text, security::to_hex(key)));
  if (report.problem) return *report.problem;
  return security::read_checkpoints(text, key);
}

Result<Retained> apply_retention(store::Db& db, const RetentionRules& rules) {
  Retained out;
  const int64_t now_us = TRY(db.now_ms()) * 1000;
  const auto checkpoints = TRY(proven_checkpoints(db, rules.checkpoints, rules.seed));
  if (rules.audit_us > 0) {
    out.before_audit_us = now_us - rules.audit_us;
    out.records = TRY(prune_records(db, rules, checkpoints, out.before_audit_us));
  }
  if (rules.runs_us > 0) {
    out.before_runs_us = now_us - rules.runs_us;
    out.runs = TRY(prune_runs(db, rules, out.before_runs_us));
  }
  return out;
}

std::vector<security::AuditRecord> retention_records(const Retained& retained) {
  std::vector<security::AuditRecord> out;
  const auto add = [&](const char* action, const char* what, int64_t count, int64_t before_us) {
    if (count == 0) return;
    const json::Object details{{"before", iso8601(before_us)}, {what, count}};
    out.push_back({.user = "weft", .action = action, .details = json::dump(details)});
  };
  add("audit:prune", "records", retained.records, retained.before_audit_us);
  add("runs:prune", "runs", retained.runs, retained.before_runs_us);
  return out;
}

Retention::Retention(Loop& loop, Pool& pool, RetentionRules rules, OpenStore open, Heard heard)
    : loop_(loop), pool_(pool), rules_(std::move(rules)), open_(std::move(open)),
      heard_(std::move(heard)) {}

void Retention::start() { later(std::min(kFirstUs, rules_.every_us)); }

void Retention::stop() {
  stopped_ = true;
  if (timer_ != 0) loop_.cancel(std::exchange(timer_, 0));
}

void Retention::later(int64_t delay_us) {
  timer_ = loop_.after(delay_us, [self = shared_from_this()] {
    self->timer_ = 0;
    self->apply();
  });
}

void Retention::apply() {
  pool_.submit([self = shared_from_this()] {
    const auto apply = [&]() -> Result<Retained> {
      const auto db = TRY(self->open_());
      return apply_retention(*db, self->rules_);
    };
    auto retained = std::make_shared<Result<Retained>>(apply());
    self->loop_.post([self, retained] { self->done(std::move(*retained)); });
  });
}

void Retention::done(Result<Retained> retained) {
  if (stopped_) return;
  if (retained.ok()) {
    state_.records += retained->records;
    state_.runs += retained->runs;
    state_.applied_us = real_env().wall_us();
    if (retained->records > 0 || retained->runs > 0) heard_(*retained);
  } else {
    ++state_.failures;
    obs::log(obs::Level::kError, "retention", "nothing more is removed: {}",
             retained.error().text());
  }
  later(rules_.every_us);
}

}  // namespace weft::worker
