// SPDX-License-Identifier: Apache-2.0
#include "worker/run_erasure.h"

#include <fmt/format.h>

#include <optional>

#include "base/strings.h"
#include "security/checkpoint.h"
#include "worker/chain.h"
#include "worker/run_prune.h"

namespace weft::worker {
namespace {

Error not_erasable(std::string message, std::string hint) {
  return make_error("E0614", std::move(message), std::move(hint));
}

struct FamilyRow {
  std::string id, parent;
  bool ended = false;
};

Result<std::vector<FamilyRow>> family_rows(store::Db& db, std::string_view where,
                                           std::string_view run) {
  auto rows = TRY(db.query(std::string("SELECT id, coalesce(parent, ''), coalesce(finished_us, 0) "
                                       "FROM run WHERE ").append(where), {run}));
  std::vector<FamilyRow> out;
  while (TRY(rows->next())) {
    out.push_back({std::string(rows->text(0)), std::string(rows->text(1)), rows->int64(2) != 0});
  }
  return out;
}

Status check_run_ended(const FamilyRow& row) {
  if (row.ended) return ok_status();
  return not_erasable(fmt::format("run {} has not ended", row.id),
               fmt::format("`weft runs cancel {}` it first", row.id));
}

// The run and all that is below it, each before its own parts.
Result<std::vector<std::string>> family_of(store::Db& db, std::string_view run) {
  const auto first = TRY(family_rows(db, "id = $1", run));
  if (first.empty()) {
    return make_error("E0601", fmt::format("there is no run {} in this store", quoted(run)));
  }
  TRY(check_run_ended(first[0]));
  if (!first[0].parent.empty() && !TRY(family_rows(db, "id = $1", first[0].parent)).empty()) {
    return not_erasable(fmt::format("run {} is a part of run {}, which holds what it was given too",
                                    run, first[0].parent),
                        fmt::format("remove {}: its parts go with it", first[0].parent));
  }
  std::vector<std::string> out{first[0].id};
  for (size_t i = 0; i < out.size(); ++i) {
    for (const FamilyRow& part : TRY(family_rows(db, "parent = $1 ORDER BY id", out[i]))) {
      TRY(check_run_ended(part));
      out.push_back(part.id);
    }
  }
  return out;
}

// What was changed must not vanish together with the proof that it was.
Status check_run_events(store::Db& db, std::string_view run) {
  auto rows = TRY(db.query("SELECT n, seq, at_us, kind, path, body, prev_hash, hash FROM event "
                           "WHERE run = $1 ORDER BY seq", {run}));
  while (TRY(rows->next())) {
    const bool whole = rows->blob(6).size() == 32;
    std::optional<ChainHead> link;
    if (whole) link.emplace(rows->int64(0) - 1, rows->blob(6));
    if (link) {
      link->append({run, rows->int64(1), rows->int64(2), rows->text(3), rows->text(4),
                    rows->text(5)});
    }
    if (link && link->hash() == rows->blob(7)) continue;
    return make_error("E0607",
                      fmt::format("event {} of run {} is not what was written", rows->int64(1),
                                  quoted(run)),
                      "it was changed by another program: `weft audit verify` says what else was");
  }
  return ok_status();
}

Status note_run(store::Db& db, const std::string& run, Erased& out) {
  TRY(check_run_events(db, run));
  auto copies = TRY(db.query("SELECT id FROM run WHERE origin = $1 ORDER BY id", {run}));
  while (TRY(copies->next())) out.copies.emplace_back(copies->text(0));
  auto told = TRY(db.query("SELECT count(*) FROM callback WHERE run = $1 AND state = 'waiting'",
                           {run}));
  if (TRY(told->next())) out.untold += told->int64(0);
  return ok_status();
}

struct ErasurePlan {
  Erased erased;
  std::vector<security::PrunedRun> links;
};

Result<ErasurePlan> planned_erasure(store::Db& db, std::string_view run) {
  ErasurePlan out;
  out.erased.runs = TRY(family_of(db, run));
  for (const std::string& one : out.erased.runs) {
    TRY(note_run(db, one, out.erased));
    out.links.push_back(TRY(pruned_links(db, one)));
    out.erased.events += out.links.back().events;
  }
  return out;
}

json::Array erased_texts(const std::vector<std::string>& list) {
  json::Array out;
  for (const std::string& text : list) out.emplace_back(text);
  return out;
}

}  // namespace

Result<Erased> plan_erasure(store::Db& db, std::string_view run) {
  return TRY(planned_erasure(db, run)).erased;
}

Result<Erased> erase_run(store::Db& db, const ErasureProof& proof, std::string_view run,
                         std::string_view by) {
  ErasurePlan planned = TRY(planned_erasure(db, run));
  TRY(remove_provably(
      db, proof.checkpoints, proof.seed,
      {.at_us = TRY(db.now_ms()) * 1000, .by = std::string(by), .runs = planned.links}));
  planned.erased.wiped = TRY(db.write_back());
  return std::move(planned.erased);
}

json::Object to_json(const Erased& erased) {
  return {{"removed", erased_texts(erased.runs)},
          {"events", erased.events},
          {"copies", erased_texts(erased.copies)},
          {"untold", erased.untold},
          {"wiped", erased.wiped}};
}

}  // namespace weft::worker
