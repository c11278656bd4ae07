// SPDX-License-Identifier: Apache-2.0
#include "backend/ledger.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace weft::backend {
namespace {

constexpr int64_t kDayUs = 86'400'000'000;

RouteWish wish_of(std::string run, std::string account, std::string tenant = "") {
  RouteWish wish;
  wish.run = std::move(run);
  wish.account = std::move(account);
  wish.tenant = std::move(tenant);
  return wish;
}

void spend(Ledger& ledger, const std::vector<SpendingKey>& keys, double price) {
  ledger.hold(keys, price);
  ledger.settle(keys, price, price);
}

TEST(Ledger, KeepsOnlyWhatHasACeiling) {
  Ledger open{Ceilings{}};
  EXPECT_FALSE(open.has_ceilings());
  EXPECT_TRUE(open.keys(wish_of("run_1", "ci", "acme"), 0).empty());
  Ledger held{Ceilings{.run = 5, .account = 5}};
  EXPECT_TRUE(held.has_ceilings());
  const auto keys = held.keys(wish_of("run_1", "ci"), 0);
  ASSERT_EQ(keys.size(), 2U);
  spend(held, keys, 2);
  spend(held, keys, 1);
  EXPECT_EQ(held.spent(keys).run, 3);
  EXPECT_EQ(held.spent(keys).account, 3);
  EXPECT_EQ(held.spent(keys).month, 0);
  const Spent other = held.spent(held.keys(wish_of("run_2", "ci"), 0));
  EXPECT_EQ(other.run, 0);
  EXPECT_EQ(other.account, 3);
}

TEST(Ledger, KeysOfOneNameInTwoTenantsAreTwo) {
  Ledger ledger{Ceilings{.account = 5, .tenant = 9}};
  spend(ledger, ledger.keys(wish_of("", "ci", "acme"), 0), 2);
  spend(ledger, ledger.keys(wish_of("", "other", "acme"), 0), 4);
  const Spent acme = ledger.spent(ledger.keys(wish_of("", "ci", "acme"), 0));
  EXPECT_EQ(acme.account, 2);
  EXPECT_EQ(acme.tenant, 6);
  const Spent umbra = ledger.spent(ledger.keys(wish_of("", "ci", "umbra"), 0));
  EXPECT_EQ(umbra.account, 0);
  EXPECT_EQ(umbra.tenant, 0);
}

TEST(Ledger, MonthsAreCalendarMonths) {
  EXPECT_EQ(month_of(0), 0);
  EXPECT_EQ(month_of(31 * kDayUs - 1), 0);
  EXPECT_EQ(month_of(31 * kDayUs), 1);
  EXPECT_EQ(month_of(365 * kDayUs), 12);
  EXPECT_EQ(month_of(1'709'164'800'000'000), 54 * 12 + 1) << "29 February 2024";
  EXPECT_EQ(month_of(1'709'251'200'000'000), 54 * 12 + 2) << "1 March 2024";
  Ledger ledger{Ceilings{.month = 5}};
  spend(ledger, ledger.keys({}, 30 * kDayUs), 2);
  EXPECT_EQ(ledger.spent(ledger.keys({}, 0)).month, 2);
  EXPECT_EQ(ledger.spent(ledger.keys({}, 31 * kDayUs)).month, 0);
}

TEST(Ledger, AnAnswerUnderWayCountsAtItsMost) {
  Ledger ledger{Ceilings{.month = 5}};
  const auto keys = ledger.keys({}, 0);
  ledger.hold(keys, 3);
  ledger.hold(keys, 0.1);
  EXPECT_DOUBLE_EQ(ledger.spent(keys).month, 3.1);
  EXPECT_TRUE(ledger.news().fresh.empty());
  ledger.settle(keys, 3, 1);
  EXPECT_DOUBLE_EQ(ledger.spent(keys).month, 1.1);
  ledger.settle(keys, 0.1, 0);  // it failed
  EXPECT_EQ(ledger.spent(keys).month, 1);
  EXPECT_TRUE(ledger.news().open.empty());
}

TEST(Ledger, WhatIsSettledDuringAnExchangeIsNotLost) {
  Ledger ledger{Ceilings{.run = 5, .month = 5}};
  const auto keys = ledger.keys(wish_of("run_1", ""), 0);
  spend(ledger, keys, 1);
  const Ledger::News told = ledger.news();
  spend(ledger, keys, 0.5);  // while the store is being told
  Spending stored = told.fresh;
  stored[{"month", "", 0}] += 2;  // of others
  ledger.exchanged(told.fresh, stored);
  EXPECT_EQ(ledger.spent(keys).run, 1.5);
  EXPECT_EQ(ledger.spent(keys).month, 3.5);
  const Spending later = ledger.news().fresh;
  EXPECT_EQ(later.at({"month", "", 0}), 0.5);
  // The run has ended and is not said any more: nothing of it is kept.
  ledger.exchanged(later, {{{"month", "", 0}, 3.5}});
  EXPECT_EQ(ledger.spent(keys).run, 0);
  EXPECT_EQ(ledger.spent(keys).month, 3.5);
}

TEST(Ledger, ManyThreadsLoseNothing) {
  Ledger ledger{Ceilings{.month = 1e9}};
  const auto keys = ledger.keys({}, 0);
  std::atomic<bool> ended = false;
  double carried = 0;
  std::thread carrier([&] {
    for (bool last = false; !last;) {
      last = ended.load();
      const Spending fresh = ledger.news().fresh;
      for (const auto& [key, price] : fresh) carried += price;
      ledger.exchanged(fresh, {{{"month", "", 0}, carried}});
    }
  });
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 2000; ++k) spend(ledger, keys, 0.25);
    });
  }
  for (std::thread& thread : threads) thread.join();
  ended = true;
  carrier.join();
  EXPECT_EQ(carried, 2000);
  EXPECT_EQ(ledger.spent(keys).month, 2000);
}

}  // namespace
}  // namespace weft::backend
