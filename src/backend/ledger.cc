// SPDX-License-Identifier: Apache-2.0
#include "backend/ledger.h"

#include <algorithm>

#include "base/error.h"

namespace weft::backend {
namespace {

constexpr double kNothing = 1e-12;  // what sums of prices leave behind when they come to nothing

}  // namespace

// Days since 1970 to months since 1970 (Howard Hinnant, chrono-compatible low-level date
// algorithms, civil_from_days).
int64_t month_of(int64_t wall_us) {
  const int64_t days = wall_us / 86'400'000'000 + 719'468;
  const int64_t era = days / 146'097;
  const int64_t day = days - era * 146'097;
  const int64_t year = (day - day / 1460 + day / 36'524 - day / 146'096) / 365;
  const int64_t of_year = day - (365 * year + year / 4 - year / 100);
  const int64_t shifted = (5 * of_year + 2) / 153;  // from March
  const int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
  return (year + era * 400 + (month <= 2 ? 1 : 0) - 1970) * 12 + month - 1;
}

bool Ledger::has_ceilings() const {
  return ceilings_.run || ceilings_.account || ceilings_.tenant || ceilings_.month;
}

std::vector<SpendingKey> Ledger::keys(const RouteWish& wish, int64_t wall_us) const {
  const int64_t month = month_of(wall_us);
  std::vector<SpendingKey> out;
  if (ceilings_.run && !wish.run.empty()) out.push_back({"run", wish.run, 0});
  if (ceilings_.account && !wish.account.empty()) {
    const std::string& tenant = wish.tenant;
    out.push_back({"key", tenant.empty() ? wish.account : tenant + "\n" + wish.account, month});
  }
  if (ceilings_.tenant) out.push_back({"tenant", wish.tenant, month});
  if (ceilings_.month) out.push_back({"month", "", month});
  return out;
}

Spent Ledger::spent(const std::vector<SpendingKey>& keys) const {
  Spent out;
  const std::lock_guard lock(mutex_);
  for (const SpendingKey& key : keys) {
    const auto found = uses_.find(key);
    if (found == uses_.end()) continue;
    const Use& use = found->second;
    const double sum = use.stored + use.fresh + use.open;
    if (key.kind == "run") out.run = sum;
    if (key.kind == "key") out.account = sum;
    if (key.kind == "tenant") out.tenant = sum;
    if (key.kind == "month") out.month = sum;
  }
  return out;
}

void Ledger::hold(const std::vector<SpendingKey>& keys, double most) {
  CHECK(most >= 0, "an answer may cost {}", most);
  const std::lock_guard lock(mutex_);
  for (const SpendingKey& key : keys) {
    Use& use = uses_[key];
    use.open += most;
    ++use.under_way;
  }
}

void Ledger::settle(const std::vector<SpendingKey>& keys, double held, double price) {
  CHECK(held >= 0 && price >= 0, "{} was held, {} is the price", held, price);
  const std::lock_guard lock(mutex_);
  for (const SpendingKey& key : keys) {
    Use& use = uses_[key];
    CHECK(use.under_way > 0, "no answer is under way for {} {}", key.kind, key.name);
    use.fresh += price;
    use.open = --use.under_way == 0 ? 0 : std::max(0.0, use.open - held);
  }
}

Ledger::News Ledger::news() const {
  News out;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, use] : uses_) {
    if (use.fresh > 0) out.fresh[key] = use.fresh;
    if (use.open > 0) out.open[key] = use.open;
  }
  return out;
}

void Ledger::exchanged(const Spending& fresh, const Spending& stored) {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, price] : fresh) {
    Use& use = uses_[key];
    use.fresh -= price;
    if (use.fresh < kNothing) use.fresh = 0;
  }
  for (auto& [key, use] : uses_) use.stored = 0;
  for (const auto& [key, price] : stored) uses_[key].stored = price;
  std::erase_if(uses_, [](const auto& entry) {
    const Use& use = entry.second;
    return use.stored == 0 && use.fresh == 0 && use.under_way == 0;
  });
}

}  // namespace weft::backend
