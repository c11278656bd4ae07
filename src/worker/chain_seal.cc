// SPDX-License-Identifier: Apache-2.0
#include "worker/chain_seal.h"

#include <fmt/format.h>

#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "base/strings.h"
#include "security/audit.h"
#include "store/sealer.h"
#include "worker/chain.h"
#include "worker/places.h"
#include "worker/run_prune.h"

namespace weft::worker {
namespace {

using security::Checkpoints;
using store::Value;

// How far a chain is.
struct SealProgress {
  int64_t n = 0;
  std::string before;  // hash of link n, as it was
  std::string after;   // as it is
};

Error unlike_written(const ChainName& chain, int64_t n, std::string_view how) {
  return make_error(chain.kind == "event" ? "E0607" : "E0765",
                    fmt::format("link {} of the {} chain of writer {} epoch {} is not what was "
                                "written: {}", n, chain.kind, quoted(chain.writer), chain.epoch,
                                how),
                    "nothing that was changed is sealed: `weft audit verify` tells more");
}

Result<std::optional<SealProgress>> read_progress(store::Db& db, const ChainName& chain) {
  auto rows = TRY(db.query("SELECT n, old_hash, new_hash FROM reseal WHERE kind = $1 AND "
                           "writer = $2 AND epoch = $3",
                           {chain.kind, chain.writer, chain.epoch}));
  if (!TRY(rows->next())) return std::optional<SealProgress>();
  return std::optional(SealProgress{rows->int64(0), std::string(rows->blob(1)),
                                std::string(rows->blob(2))});
}

Status write_progress(store::Db& db, const ChainName& chain, const SealProgress& progress) {
  TRY(db.run("INSERT INTO reseal (kind, writer, epoch, n, old_hash, new_hash) VALUES "
             "($1, $2, $3, $4, $5, $6) ON CONFLICT (kind, writer, epoch) DO UPDATE SET "
             "n = excluded.n, old_hash = excluded.old_hash, new_hash = excluded.new_hash",
             {chain.kind, chain.writer, chain.epoch, progress.n, Value::blob(progress.before),
              Value::blob(progress.after)}));
  return ok_status();
}

// Where a chain begins that nobody has begun to seal: before its first link, or behind those that
// were removed from its chain_beginning as a signed line says.
Result<SealProgress> chain_beginning(store::Db& db, const Checkpoints& checkpoints,
                                     const ChainName& chain) {
  if (chain.kind == "event") {
    const std::string hash(ChainHead(chain.writer, chain.epoch).hash());
    return SealProgress{0, hash, hash};
  }
  auto rows = TRY(db.query("SELECT coalesce(min(n), 1) FROM audit WHERE writer = $1 AND epoch = $2",
                           {chain.writer, chain.epoch}));
  const int64_t gone = TRY(rows->next()) ? rows->int64(0) - 1 : 0;
  std::string hash(security::AuditHead(chain.writer, chain.epoch).hash());
  if (gone > 0) {
    const auto pruned = checkpoints.pruned.find({chain.kind, chain.writer, chain.epoch});
    if (pruned == checkpoints.pruned.end() || !pruned->second.contains(gone)) {
      return unlike_written(chain, gone + 1, "no signed line says that those before it went");
    }
    hash = pruned->second.at(gone);
  }
  return SealProgress{gone, hash, hash};
}

// What was signed of the old link; nothing if it was not.
Status held_to(const Checkpoints& checkpoints, const ChainName& chain, const SealProgress& at) {
  const auto states = checkpoints.chains.find({chain.kind, chain.writer, chain.epoch});
  if (states == checkpoints.chains.end()) return ok_status();
  const auto state = states->second.find(at.n);
  if (state == states->second.end() || state->second == at.before) return ok_status();
  return make_error("E0766",
                    fmt::format("link {} of the {} chain of writer {} epoch {} is not the one that "
                                "was signed", at.n, chain.kind, quoted(chain.writer), chain.epoch),
                    "the chain was written anew after its checkpoint");
}

// A stored link with its value, and where it stands.
struct EventLink {
  std::string run, kind, path, body, previous, hash;
  int64_t n = 0, seq = 0, at_us = 0;

  store::Place place() const { return place_of_event(run, seq); }
  std::string hash_behind(std::string_view before, std::string_view value) const {
    if (kind == kPrunedEvent) return hash;  // its content is gone
    ChainHead head(n - 1, before);
    head.append({run, seq, at_us, kind, path, value});
    return std::string(head.hash());
  }
};
struct AuditLink {
  security::AuditRecord record;
  std::string writer, body, previous, hash;
  int64_t n = 0, epoch = 0;

  store::Place place() const {
    return security::place_of_details(writer, epoch, n, record.tenant);
  }
  std::string hash_behind(std::string_view before, std::string_view value) const {
    security::AuditHead head(n - 1, before);
    head.append(record, value);
    return std::string(head.hash());
  }
};

Result<std::vector<EventLink>> read_events(store::Db& db, const ChainName& chain, int64_t behind,
                                           int64_t limit) {
  auto rows = TRY(db.query(
      "SELECT n, run, seq, at_us, kind, path, body, prev_hash, hash FROM event "
      "WHERE worker = $1 AND epoch = $2 AND n > $3 ORDER BY n LIMIT $4",
      {chain.writer, chain.epoch, behind, limit}));
  std::vector<EventLink> out;
  while (TRY(rows->next())) {
    out.push_back({.run = std::string(rows->text(1)), .kind = std::string(rows->text(4)),
                   .path = std::string(rows->text(5)), .body = std::string(rows->text(6)),
                   .previous = std::string(rows->blob(7)), .hash = std::string(rows->blob(8)),
                   .n = rows->int64(0), .seq = rows->int64(2), .at_us = rows->int64(3)});
  }
  return out;
}

Result<std::vector<AuditLink>> read_records(store::Db& db, const ChainName& chain, int64_t behind,
                                            int64_t limit) {
  auto rows = TRY(db.query(
      "SELECT n, at_us, tenant, actor, action, resource, outcome, details, prev_hash, hash "
      "FROM audit WHERE writer = $1 AND epoch = $2 AND n > $3 ORDER BY n LIMIT $4",
      {chain.writer, chain.epoch, behind, limit}));
  std::vector<AuditLink> out;
  while (TRY(rows->next())) {
    out.push_back({.record = {.at_us = rows->int64(1), .tenant = std::string(rows->text(2)),
                              .user = std::string(rows->text(3)),
                              .action = std::string(rows->text(4)),
                              .resource = std::string(rows->text(5)),
                              .outcome = std::string(rows->text(6))},
                   .writer = chain.writer, .body = std::string(rows->text(7)),
                   .previous = std::string(rows->blob(8)), .hash = std::string(rows->blob(9)),
                   .n = rows->int64(0), .epoch = chain.epoch});
  }
  return out;
}

Status replace_link(store::Db& db, const EventLink& link, const SealProgress& at,
                    std::string_view previous, std::string_view value) {
  TRY(db.run("UPDATE event SET body = $1, prev_hash = $2, hash = $3 WHERE run = $4 AND seq = $5",
             {value, Value::blob(previous), Value::blob(at.after), link.run, link.seq}));
  return ok_status();
}

Status replace_link(store::Db& db, const AuditLink& link, const SealProgress& at,
                    std::string_view previous, std::string_view value) {
  TRY(db.run("UPDATE audit SET details = $1, prev_hash = $2, hash = $3 WHERE writer = $4 AND "
             "epoch = $5 AND n = $6",
             {value, Value::blob(previous), Value::blob(at.after), link.writer, link.epoch,
              link.n}));
  return ok_status();
}

// Checks the link as it was, and writes it as it will be.
template <class Link>
Result<bool> seal_link(store::Db& db, const Checkpoints& checkpoints, const ChainName& chain,
                       const Link& link, SealProgress& at) {
  if (link.n != at.n + 1) return unlike_written(chain, link.n, "one before it is missing");
  if (link.previous != at.before) return unlike_written(chain, link.n, "the link back is another");
  if (link.hash_behind(at.before, link.body) != link.hash) {
    return unlike_written(chain, link.n, "its content was changed");
  }
  const bool plain = !link.body.empty() && !store::is_sealed(link.body);
  std::string value = link.body;
  if (plain) value = TRY(store::kept(db, link.place(), link.body)).bytes();
  const std::string previous = std::exchange(at.after, link.hash_behind(at.after, value));
  at.before = link.hash;
  at.n = link.n;
  TRY(held_to(checkpoints, chain, at));
  TRY(replace_link(db, link, at, previous, value));
  return plain;
}

struct SealedBatch {
  int64_t links = 0;
  int64_t values = 0;
};

Result<SealedBatch> seal_batch(store::Db& db, const Checkpoints& checkpoints,
                               const ChainName& chain, int64_t limit) {
  store::Tx tx = TRY(store::Tx::begin(db));
  auto progress = TRY(read_progress(db, chain));
  if (!progress) progress = TRY(chain_beginning(db, checkpoints, chain));
  SealedBatch out;
  const auto all = [&](const auto& links) -> Status {
    for (const auto& link : links) {
      if (TRY(seal_link(db, checkpoints, chain, link, *progress))) ++out.values;
    }
    out.links = std::ssize(links);
    return ok_status();
  };
  if (chain.kind == "event") {
    TRY(all(TRY(read_events(db, chain, progress->n, limit))));
  } else {
    TRY(all(TRY(read_records(db, chain, progress->n, limit))));
  }
  TRY(write_progress(db, chain, *progress));
  TRY(tx.commit());
  return out;
}

}  // namespace

Result<bool> reseal_open(store::Db& db) {
  auto rows = TRY(db.query("SELECT 1 FROM reseal LIMIT 1", {}));
  return rows->next();
}

Error half_sealed() {
  return make_error("E0512", "`weft store seal` was cut off: chains are half written anew",
                    "call it again: it goes on where it was");
}

Result<std::vector<ChainName>> chains_to_seal(store::Db& db) {
  constexpr const char* kQueries[] = {
      "SELECT DISTINCT 'event', worker, epoch FROM event "
      "WHERE body <> '' AND substr(body, 1, 14) <> $1",
      "SELECT DISTINCT 'audit', writer, epoch FROM audit "
      "WHERE details <> '' AND substr(details, 1, 14) <> $1",
      "SELECT kind, writer, epoch FROM reseal WHERE kind <> $1"};
  static_assert(store::kSealedText.size() == 14);
  std::set<std::tuple<std::string, std::string, int64_t>> names;
  for (const char* query : kQueries) {
    auto rows = TRY(db.query(query, {store::kSealedText}));
    while (TRY(rows->next())) names.emplace(rows->text(0), rows->text(1), rows->int64(2));
  }
  std::vector<ChainName> out;
  for (const auto& [kind, writer, epoch] : names) out.push_back({kind, writer, epoch});
  return out;
}

Result<int64_t> seal_chain(store::Db& db, const Checkpoints& checkpoints, const ChainName& chain,
                           int64_t batch) {
  CHECK(db.sealer() != nullptr && batch > 0, "a chain is sealed by a sealer");
  int64_t values = 0;
  for (;;) {
    const SealedBatch done = TRY(seal_batch(db, checkpoints, chain, batch));
    values += done.values;
    if (done.links < batch) return values;
  }
}

Result<int64_t> sign_sealed_chains(store::Db& db, const std::string& checkpoints,
                                   const security::Secret& seed) {
  std::vector<security::SealedChain> chains;
  {
    auto rows = TRY(db.query(
        "SELECT kind, writer, epoch, n, old_hash, new_hash FROM reseal ORDER BY 1, 2, 3", {}));
    while (TRY(rows->next())) {
      chains.push_back({{std::string(rows->text(0)), std::string(rows->text(1)), rows->int64(2),
                         rows->int64(3), std::string(rows->blob(5))},
                        std::string(rows->blob(4))});
    }
  }
  if (chains.empty()) return 0;
  TRY(security::append_sealing(checkpoints, seed, TRY(db.now_ms()) * 1000, chains));
  TRY(db.run("DELETE FROM reseal", {}));
  return std::ssize(chains);
}

}  // namespace weft::worker
