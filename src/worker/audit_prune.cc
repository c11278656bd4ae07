// SPDX-License-Identifier: Apache-2.0
#include "worker/audit_prune.h"

#include <string>

namespace weft::worker {
namespace {

struct Removable {
  int64_t first = 0;  // link that is there; 0: none
  int64_t last = 0;   // before the first that is too young
};

Result<Removable> removable(store::Db& db, const std::string& writer, int64_t epoch,
                            int64_t before_us) {
  auto rows = TRY(db.query(
      "SELECT COALESCE(MIN(n), 0), COALESCE(MAX(n), 0), "
      "COALESCE(MIN(CASE WHEN at_us >= $1 THEN n END), 0) "
      "FROM audit WHERE writer = $2 AND epoch = $3",
      {before_us, writer, epoch}));
  Removable out;
  if (!TRY(rows->next())) return out;
  out.first = rows->int64(0);
  const int64_t young = rows->int64(2);
  out.last = young == 0 ? rows->int64(1) : young - 1;
  return out;
}

}  // namespace

Result<security::Pruning> plan_pruning(store::Db& db, const security::Checkpoints& checkpoints,
                                       int64_t before_us) {
  security::Pruning out;
  out.before_us = before_us;
  for (const auto& [name, states] : checkpoints.chains) {
    const auto& [kind, writer, epoch] = name;
    if (kind != "audit") continue;
    const Removable old = TRY(removable(db, writer, epoch, before_us));
    auto state = states.upper_bound(old.last);  // the one before is the last that may go
    if (old.first == 0 || state == states.begin()) continue;
    --state;
    if (state->first < old.first) continue;
    out.records += state->first - old.first + 1;
    out.chains.push_back({kind, writer, epoch, state->first, state->second});
  }
  return out;
}

Result<int64_t> remove_pruned(store::Db& db, const security::Pruning& pruning) {
  int64_t removed = 0;
  store::Tx tx = TRY(store::Tx::begin(db));
  for (const security::ChainState& chain : pruning.chains) {
    removed += TRY(db.run("DELETE FROM audit WHERE writer = $1 AND epoch = $2 AND n <= $3",
                          {chain.writer, chain.epoch, chain.length}));
  }
  TRY(tx.commit());
  return removed;
}

}  // namespace weft::worker
