// SPDX-License-Identifier: Apache-2.0
#include "worker/run_prune.h"

#include <string>

#include "base/digest.h"

namespace weft::worker {
namespace {

constexpr std::string_view kPrunable =
    "run r WHERE finished_us < $1 AND NOT EXISTS (SELECT 1 FROM run p WHERE "
    "p.finished_us IS NULL AND (p.id = r.parent OR p.parent = r.id)) AND NOT EXISTS (SELECT 1 "
    "FROM callback c WHERE c.run = r.id AND c.state = 'waiting') ";

}  // namespace

void add_pruned_link(security::PrunedRun& run, std::string_view hash) {
  ++run.events;
  const auto digest = sha256(run.digest.append(hash));
  run.digest.assign(reinterpret_cast<const char*>(digest.data()), digest.size());
}

Result<security::PrunedRun> pruned_links(store::Db& db, std::string_view run) {
  security::PrunedRun out{.run = std::string(run)};
  auto rows = TRY(db.query("SELECT hash FROM event WHERE run = $1 ORDER BY worker, epoch, n",
                           {run}));
  while (TRY(rows->next())) add_pruned_link(out, rows->blob(0));
  return out;
}

Result<std::vector<security::PrunedRun>> plan_run_pruning(store::Db& db, int64_t before_us,
                                                          int64_t limit) {
  std::vector<std::string> runs;
  {
    auto rows = TRY(db.query(std::string("SELECT id FROM ").append(kPrunable).append(
                                 "ORDER BY finished_us, id LIMIT $2"),
                             {before_us, limit}));
    while (TRY(rows->next())) runs.emplace_back(rows->text(0));
  }
  std::vector<security::PrunedRun> out;
  for (const std::string& run : runs) out.push_back(TRY(pruned_links(db, run)));
  return out;
}

Result<int64_t> count_prunable(store::Db& db, int64_t before_us) {
  auto rows = TRY(db.query(std::string("SELECT count(*) FROM ").append(kPrunable), {before_us}));
  const bool found = TRY(rows->next());
  CHECK(found, "a count yields one row");
  return rows->int64(0);
}

Status remove_runs(store::Db& db, std::span<const security::PrunedRun> runs,
                   std::string_view line) {
  constexpr const char* kTables[] = {"step",       "timer", "effect",          "ai_call",
                                     "ai_partial", "inbox", "required_action", "callback"};
  store::Tx tx = TRY(store::Tx::begin(db));
  for (const security::PrunedRun& run : runs) {
    TRY(db.run("UPDATE event SET kind = $1, path = '', body = '' WHERE run = $2",
               {kPrunedEvent, run.run}));
    for (const char* table : kTables) {
      TRY(db.run(std::string("DELETE FROM ").append(table).append(" WHERE run = $1"), {run.run}));
    }
    TRY(db.run("DELETE FROM run WHERE id = $1", {run.run}));
  }
  if (!line.empty()) {
    TRY(db.run("INSERT INTO removal (id, line) VALUES ($1, $2) ON CONFLICT DO NOTHING",
               {sha256_hex(line), line}));
  }
  return tx.commit();
}

Status remove_provably(store::Db& db, const std::string& checkpoints, const security::Secret& seed,
                       const security::RunPruning& pruning) {
  TRY(security::append_run_pruning(checkpoints, seed, pruning));
  return remove_runs(db, pruning.runs, security::signed_removal(seed, pruning));
}

Status add_stored_removals(store::Db& db, security::Checkpoints& checkpoints) {
  auto rows = TRY(db.query("SELECT line FROM removal", {}));
  while (TRY(rows->next())) {
    for (security::PrunedRun& run : security::removed_by(rows->text(0), checkpoints.key)) {
      std::string name = run.run;
      checkpoints.pruned_runs.try_emplace(std::move(name), std::move(run));
    }
  }
  return ok_status();
}

}  // namespace weft::worker
