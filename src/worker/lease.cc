// SPDX-License-Identifier: Apache-2.0
#include "worker/lease.h"

#include <unordered_set>

namespace weft::worker {
namespace {

using store::Db;
using store::Tx;

// The lease of a worker that an older weft has expired: it left the row, under another epoch.
constexpr int64_t kEndedBefore = INT64_MAX;

Result<bool> any_row(Db& db, std::string_view sql, std::initializer_list<store::Value> values) {
  auto rows = TRY(db.query(sql, values));
  return rows->next();
}

Status append_ids(Db& db, std::string_view sql, std::initializer_list<store::Value> values,
                  std::vector<std::string>& ids) {
  auto rows = TRY(db.query(fmt::format("{}{}", sql, db.skip_locked()), values));
  while (TRY(rows->next())) ids.emplace_back(rows->text(0));
  return ok_status();
}

std::string claim_sql(size_t runs) {
  std::string ids;
  for (size_t i = 0; i < runs; ++i) ids += fmt::format("{}${}", i == 0 ? "" : ", ", i + 3);
  return "UPDATE run SET worker = $1, worker_epoch = $2, wake_us = NULL, version = version + 1 "
         "WHERE worker IS NULL AND id IN (" + ids + ")";
}

Result<std::vector<std::string>> claimable_run(Db& db, std::string_view run) {
  std::vector<std::string> ids;
  TRY(append_ids(db, "SELECT id FROM run WHERE worker IS NULL AND finished_us IS NULL AND id = $1",
                 {run}, ids));
  return ids;
}

// No run twice: a run with messages may also be due.
Result<std::vector<std::string>> claimable_runs(Db& db, ClaimRoom room) {
  std::vector<std::string> ids;
  const int64_t now_us = TRY(db.now_ms()) * 1000;
  TRY(append_ids(db, "SELECT id FROM run WHERE worker IS NULL AND finished_us IS NULL AND id IN "
                     "(SELECT run FROM inbox WHERE outcome IS NULL) LIMIT $1", {room.runs}, ids));
  const int64_t left = room.runs - static_cast<int64_t>(ids.size());
  TRY(append_ids(db, "SELECT id FROM run WHERE worker IS NULL AND finished_us IS NULL AND "
                     "wake_us IS NOT NULL AND wake_us <= $1 ORDER BY wake_us LIMIT $2",
                 {now_us + kWakeAheadUs, room.wakes}, ids));
  TRY(append_ids(db, "SELECT id FROM run WHERE worker IS NULL AND finished_us IS NULL AND "
                     "wake_us IS NULL ORDER BY rank, id LIMIT $1", {left}, ids));
  std::vector<std::string> once;
  std::unordered_set<std::string_view> seen;
  for (const std::string& id : ids) {
    if (seen.insert(id).second) once.push_back(id);
  }
  return once;
}

}  // namespace

Result<WorkerIdentity> register_worker(Db& db, Env& env, std::string_view labels,
                                       int64_t lease_ms) {
  CHECK(lease_ms > 0, "a lease of {} ms", lease_ms);
  WorkerIdentity worker{.id = new_id(env, "wrk_"), .epoch = 1};
  Tx tx = TRY(Tx::begin(db));
  const int64_t now = TRY(db.now_ms());
  TRY(db.run("INSERT INTO worker (id, epoch, lease_until, labels) VALUES ($1, $2, $3, $4)",
             {worker.id, worker.epoch, now + lease_ms, labels}));
  // No run may belong to an epoch that has ended: nobody would ever give it back. None does, unless
  // by a mistake of ours; a store that has seen one heals.
  TRY(db.run("UPDATE run SET worker = NULL, worker_epoch = NULL, version = version + 1 "
             "WHERE finished_us IS NULL AND worker IS NOT NULL AND NOT EXISTS (SELECT 1 FROM "
             "worker w WHERE w.id = run.worker AND w.epoch = run.worker_epoch)", {}));
  TRY(tx.commit());
  return worker;
}

Result<bool> lease_is_current(Db& db, const WorkerIdentity& worker) {
  return any_row(db,
                 fmt::format("SELECT 1 FROM worker WHERE id = $1 AND epoch = $2{}",
                             db.share_lock()),
                 {worker.id, worker.epoch});
}

Result<bool> renew_lease(Db& db, const WorkerIdentity& worker, int64_t lease_ms) {
  CHECK(lease_ms > 0, "a lease of {} ms", lease_ms);
  const int64_t now = TRY(db.now_ms());
  const int64_t touched =
      TRY(db.run("UPDATE worker SET lease_until = $1 WHERE id = $2 AND epoch = $3",
                 {now + lease_ms, worker.id, worker.epoch}));
  CHECK(touched <= 1, "{} workers are called {}", touched, worker.id);
  return touched == 1;
}

Result<ScanNeeds> scan_needs(Db& db) {
  ScanNeeds needs;
  const int64_t now = TRY(db.now_ms());
  needs.expired = TRY(any_row(db, "SELECT 1 FROM worker WHERE lease_until < $1 OR "
                                  "lease_until = $2 LIMIT 1", {now, kEndedBefore}));
  needs.unclaimed =
      TRY(any_row(db, "SELECT 1 FROM run WHERE worker IS NULL AND finished_us IS NULL AND "
                      "wake_us IS NULL LIMIT 1", {})) ||
      TRY(any_row(db, "SELECT 1 FROM run WHERE worker IS NULL AND finished_us IS NULL AND "
                      "wake_us IS NOT NULL AND wake_us <= $1 LIMIT 1",
                  {now * 1000 + kWakeAheadUs})) ||
      TRY(any_row(db, "SELECT 1 FROM inbox i CROSS JOIN run r WHERE i.outcome IS NULL AND "
                      "r.id = i.run AND r.worker IS NULL AND r.finished_us IS NULL LIMIT 1", {}));
  return needs;
}

Result<bool> end_leases_of_dead(Db& db, KnownDead known_dead) {
  std::vector<WorkerIdentity> dead;
  {
    auto rows = TRY(db.query("SELECT id, epoch, labels FROM worker WHERE lease_until < $1",
                             {kEndedBefore}));
    while (TRY(rows->next())) {
      if (!known_dead(rows->text(2))) continue;
      dead.push_back({std::string(rows->text(0)), rows->int64(1)});
    }
  }
  for (const WorkerIdentity& worker : dead) {
    TRY(db.run("UPDATE worker SET lease_until = 0 WHERE id = $1 AND epoch = $2",
               {worker.id, worker.epoch}));
  }
  return !dead.empty();
}

Result<int64_t> working(Db& db) {
  auto rows = TRY(db.query("SELECT count(*) FROM worker WHERE lease_until > $1 AND "
                           "lease_until < $2", {TRY(db.now_ms()), kEndedBefore}));
  return TRY(rows->next()) ? rows->int64(0) : 0;
}

Result<int64_t> expire_workers(Db& db, const WorkerIdentity& self) {
  const int64_t now = TRY(db.now_ms());
  // A worker without its row finds itself fenced when it wakes up. The row comes first: who writes
  // for it holds that row, so no run can be added to it between the two statements.
  std::vector<std::string> expired;
  {
    auto rows = TRY(db.query("DELETE FROM worker WHERE (lease_until < $1 OR lease_until = $2) "
                             "AND id <> $3 RETURNING id",
                             {now, kEndedBefore, self.id}));
    while (TRY(rows->next())) expired.emplace_back(rows->text(0));
  }
  int64_t runs = 0;
  for (const std::string& worker : expired) {
    runs += TRY(db.run("UPDATE run SET worker = NULL, worker_epoch = NULL, version = version + 1 "
                       "WHERE finished_us IS NULL AND worker = $1",
                       {worker}));
  }
  if (runs > 0) TRY(db.hint());
  return runs;
}

Result<std::vector<std::string>> claim_runs(Db& db, const WorkerIdentity& worker, ClaimRoom room,
                                            std::string_view run) {
  CHECK(room.runs >= 0 && room.wakes >= 0, "room for {} runs and {}", room.runs, room.wakes);
  const std::vector<std::string> ids = TRY(run.empty() ? claimable_runs(db, room)
                                                       : claimable_run(db, run));
  // A statement for as many as that: one more time the last of them where they do not fill it, so
  // that there are two statements to plan and not one for each count.
  constexpr size_t kAtOnce = 32;
  static const std::string kMany = claim_sql(kAtOnce);
  static const std::string kOne = claim_sql(1);
  for (size_t first = 0; first < ids.size();) {
    const size_t left = ids.size() - first;
    const size_t taken = left == 1 ? 1 : std::min(kAtOnce, left);
    std::vector<store::Value> values{worker.id, worker.epoch};
    for (size_t i = 0; i < (taken == 1 ? 1 : kAtOnce); ++i) {
      values.emplace_back(ids[first + std::min(i, taken - 1)]);
    }
    const int64_t touched = TRY(db.run(taken == 1 ? kOne : kMany, store::Values(values)));
    CHECK(touched == static_cast<int64_t>(taken),
          "of {} runs {} were claimed by another inside our transaction", taken, touched);
    first += taken;
  }
  return ids;
}

Status release_run(Db& db, const WorkerIdentity& worker, std::string_view run,
                   std::optional<int64_t> wake_us) {
  TRY(db.run("UPDATE run SET worker = NULL, worker_epoch = NULL, wake_us = $1, "
             "version = version + 1 "
             "WHERE id = $2 AND finished_us IS NULL AND worker = $3 AND worker_epoch = $4",
             {store::Value::or_null(wake_us), run, worker.id, worker.epoch}));
  return wake_us ? ok_status() : db.hint();
}

Status release_worker(Db& db, const WorkerIdentity& worker) {
  TRY(db.run("UPDATE run SET worker = NULL, worker_epoch = NULL, version = version + 1 "
             "WHERE finished_us IS NULL AND worker = $1 AND worker_epoch = $2",
             {worker.id, worker.epoch}));
  TRY(db.run("DELETE FROM worker WHERE id = $1 AND epoch = $2", {worker.id, worker.epoch}));
  return db.hint();
}

}  // namespace weft::worker
