// SPDX-License-Identifier: Apache-2.0
#include "worker/spending.h"

namespace weft::worker {
namespace {

using backend::Spending;
using backend::SpendingKey;

constexpr int64_t kCleanNs = int64_t{600} * 1'000'000'000;

Status add_price(store::Db& db, const SpendingKey& key, std::string_view writer, double price) {
  return db.post(
      "INSERT INTO spending (month, kind, name, writer, price) VALUES ($1, $2, $3, $4, $5) "
      "ON CONFLICT (month, kind, name, writer) DO UPDATE SET price = spending.price + "
      "excluded.price",
      {key.month, key.kind, key.name, writer, price});
}

}  // namespace

Status SpendingExchange::exchange(store::Db& db, const WorkerIdentity& worker) {
  const backend::Ledger::News news = ledger_->news();
  const int64_t month = backend::month_of(env_.wall_us());
  const bool other_name = worker.id != told_by_ && !news.open.empty();
  const bool tells = !news.fresh.empty() || news.open != told_ || other_name ||
                     env_.mono_ns() >= next_clean_ns_;
  const Spending stored = TRY(tells ? tell(db, worker, news, month) : read(db, worker, month));
  ledger_->exchanged(news.fresh, stored);
  return ok_status();
}

// Whoever writes sums writes that of the month first, were it nothing: so that all writers queue
// at one row, and no two wait for each other's. What the store says then is read before the commit:
// behind it nothing may fail, or the same would be told again.
Result<Spending> SpendingExchange::tell(store::Db& db, const WorkerIdentity& worker,
                                        const backend::Ledger::News& news, int64_t month) {
  store::Tx tx = TRY(store::Tx::begin(db));
  const SpendingKey gate{"month", "", month};
  const auto of_month = news.fresh.find(gate);
  TRY(add_price(db, gate, "", of_month == news.fresh.end() ? 0 : of_month->second));
  for (const auto& [key, price] : news.fresh) {
    if (key != gate) TRY(add_price(db, key, "", price));
  }
  TRY(db.post("DELETE FROM spending WHERE writer = $1", {worker.id}));
  for (const auto& [key, most] : news.open) TRY(add_price(db, key, worker.id, most));
  if (env_.mono_ns() >= next_clean_ns_) TRY(clean(db, month));
  Spending stored = TRY(read(db, worker, month));
  TRY(tx.commit());
  told_by_ = worker.id;
  told_ = news.open;
  return stored;
}

// What no ceiling asks for any more: months before the last, runs that have ended, and what
// workers had under way that are no more.
Status SpendingExchange::clean(store::Db& db, int64_t month) {
  next_clean_ns_ = env_.mono_ns() + kCleanNs;
  TRY(db.run("DELETE FROM spending WHERE kind <> 'run' AND month < $1", {month - 1}));
  TRY(db.run("DELETE FROM spending WHERE kind = 'run' AND NOT EXISTS (SELECT 1 FROM run r WHERE "
             "r.id = spending.name AND r.finished_us IS NULL)", {}));
  TRY(db.run("DELETE FROM spending WHERE writer <> '' AND NOT EXISTS (SELECT 1 FROM worker w "
             "WHERE w.id = spending.writer)", {}));
  return ok_status();
}

// Of runs only our own: those of others spend elsewhere.
Result<Spending> SpendingExchange::read(store::Db& db, const WorkerIdentity& worker,
                                        int64_t month) {
  const int64_t now_ms = TRY(db.now_ms());
  auto rows = TRY(db.query(
      "SELECT s.month, s.kind, s.name, s.price FROM spending s WHERE s.writer <> $1 AND "
      "(s.writer = '' OR EXISTS (SELECT 1 FROM worker w WHERE w.id = s.writer AND "
      "w.lease_until >= $2)) AND ((s.kind <> 'run' AND s.month >= $3) OR (s.kind = 'run' AND "
      "s.name IN (SELECT id FROM run WHERE worker = $1 AND finished_us IS NULL)))",
      {worker.id, now_ms, month - 1}));
  Spending out;
  while (TRY(rows->next())) {
    const SpendingKey key{std::string(rows->text(1)), std::string(rows->text(2)), rows->int64(0)};
    out[key] += rows->float64(3);
  }
  return out;
}

}  // namespace weft::worker
