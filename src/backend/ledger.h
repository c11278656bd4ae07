// SPDX-License-Identifier: Apache-2.0
//
// What models have cost, by run, key, tenant and calendar month (UTC): what ceilings are held
// against. Three amounts a name, and all three count:
//
//   stored  what the shared store says: of every process, and what others have under way
//   fresh   what answers of this process have cost since the store was last told
//   open    what answers under way here may still cost at most
//
// An answer counts at its highest price from the moment it is asked for, so that many asked for at
// once cannot all pass one ceiling; when it ends, it counts at what it has cost. It counts in the
// month in which it began. Who carries `fresh` and `open` to other processes is worker/spending.h;
// without it the ledger is this process's alone. Only what has a ceiling is kept.
//
// Any thread.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/routing.h"

namespace weft::backend {

struct SpendingKey {
  std::string kind;   // "run", "key", "tenant", "month"
  std::string name;   // a key's stands behind its tenant's and a line feed
  int64_t month = 0;  // since 1970; of runs 0: they need not end in the month they began in
  auto operator<=>(const SpendingKey&) const = default;
};
using Spending = std::map<SpendingKey, double>;

class Ledger {
 public:
  explicit Ledger(const Ceilings& ceilings) : ceilings_(ceilings) {}
  bool has_ceilings() const;

  // What an answer to such a request is counted under.
  std::vector<SpendingKey> keys(const RouteWish& wish, int64_t wall_us) const;
  Spent spent(const std::vector<SpendingKey>& keys) const;
  // An answer is under way that may cost so much; then it has cost `price` of what was `held`.
  void hold(const std::vector<SpendingKey>& keys, double most);
  void settle(const std::vector<SpendingKey>& keys, double held, double price);

  struct News {
    Spending fresh, open;
  };
  News news() const;
  // The store has been told `fresh`, and says `stored`. What it does not say counts as nothing,
  // and names that count nothing any more are forgotten: of runs there is no end.
  void exchanged(const Spending& fresh, const Spending& stored);

 private:
  struct Use {
    double stored = 0, fresh = 0, open = 0;
    int64_t under_way = 0;
  };
  const Ceilings ceilings_;
  mutable std::mutex mutex_;  // guards the rest
  std::map<SpendingKey, Use> uses_;
};

// Months since 1970.
int64_t month_of(int64_t wall_us);

}  // namespace weft::backend
