// SPDX-License-Identifier: Apache-2.0
#include "worker/spending.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "store/postgres_test.h"
#include "worker/sim_store.h"

namespace weft::worker {
namespace {

using backend::Ceilings;
using backend::Ledger;
using backend::RouteWish;

constexpr Ceilings kAll{.run = 10, .account = 10, .tenant = 10, .month = 10};
constexpr int64_t kLeaseMs = 15'000;

// One store, and processes on it: each with a ledger, a connection and a worker row.
class SpendingTest : public store::PostgresTest, public ::testing::WithParamInterface<bool> {
 protected:
  struct Process {
    std::shared_ptr<Ledger> ledger = std::make_shared<Ledger>(kAll);
    std::unique_ptr<store::Db> db;
    WorkerIdentity worker;
    std::unique_ptr<SpendingExchange> spending;
    RouteWish wish;

    std::vector<backend::SpendingKey> keys(Env& env) const {
      return ledger->keys(wish, env.wall_us());
    }
    void exchange() {
      const Status status = spending->exchange(*db, worker);
      ASSERT_TRUE(status.ok()) << status.error().text();
    }
  };

  void SetUp() override {
    if (GetParam()) {
      PostgresTest::SetUp();
      path_ = url_;
      return;
    }
    std::string pattern =
        (std::filesystem::temp_directory_path() / "weft-spending-XXXXXX").string();
    CHECK(::mkdtemp(pattern.data()) != nullptr);
    directory_ = pattern;
    path_ = directory_ + "/store.db";
  }
  void TearDown() override {
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  Process process(std::string run = "", std::string key = "ci", std::string tenant = "acme") {
    Process out;
    out.db = SimStore::open(path_, env_, faults_).value();
    out.worker = register_worker(*out.db, env_, "{}", kLeaseMs).value();
    out.spending = std::make_unique<SpendingExchange>(env_, out.ledger);
    out.wish.run = std::move(run);
    out.wish.account = std::move(key);
    out.wish.tenant = std::move(tenant);
    out.exchange();
    return out;
  }
  void spend(Process& process, double price) {
    const auto keys = process.keys(env_);
    process.ledger->hold(keys, price);
    process.ledger->settle(keys, price, price);
  }
  backend::Spent spent(Process& process) { return process.ledger->spent(process.keys(env_)); }
  static int64_t number(store::Db& db, std::string_view sql) {
    auto rows = db.query(sql, {}).value();
    CHECK(rows->next().value());
    return rows->int64(0);
  }
  static void add_run(store::Db& db, const std::string& id, const std::string& worker) {
    CHECK(db.run("INSERT INTO definition (hash, doc) VALUES ('h', '{}') ON CONFLICT DO NOTHING",
                 {}).ok());
    CHECK(db.run("INSERT INTO run (id, def_hash, workflow, input, context, status, priority, "
                 "version, worker, worker_epoch, created_us) VALUES ($1, 'h', 'w', '{}', '{}', "
                 "'running', 1, 1, $2, 1, 1)", {id, worker}).ok());
  }

  SimEnv env_{1};
  SimFaults faults_;
  std::string directory_, path_;
};

TEST_P(SpendingTest, WhatOneProcessSpendsHoldsInAll) {
  Process one = process();
  Process two = process();
  spend(one, 3);
  spend(two, 4);
  one.exchange();
  two.exchange();
  EXPECT_EQ(spent(one).month, 3) << "it has not looked since";
  one.exchange();
  for (Process* each : {&one, &two}) {
    EXPECT_EQ(spent(*each).month, 7);
    EXPECT_EQ(spent(*each).account, 7);
    EXPECT_EQ(spent(*each).tenant, 7);
  }
  Process other = process("", "ci", "umbra");
  EXPECT_EQ(spent(other).account, 0) << "a key of the same name in another tenant";
  EXPECT_EQ(spent(other).tenant, 0);
  EXPECT_EQ(spent(other).month, 7);
}

TEST_P(SpendingTest, ARestartForgetsNothingAndAMonthEnds) {
  {
    Process one = process();
    spend(one, 6);
    one.exchange();
    ASSERT_TRUE(release_worker(*one.db, one.worker).ok());
  }
  Process again = process();
  EXPECT_EQ(spent(again).month, 6) << "known before the first request";
  EXPECT_EQ(spent(again).account, 6);
  env_.advance_us(int64_t{31} * 86'400'000'000);
  EXPECT_EQ(spent(again).month, 0);
  spend(again, 1);
  again.exchange();
  EXPECT_EQ(spent(again).month, 1);
  env_.advance_us(int64_t{31} * 86'400'000'000);
  again.exchange();
  EXPECT_EQ(number(*again.db, "SELECT count(DISTINCT month) FROM spending"), 2)
      << "the month before the last is gone";
}

TEST_P(SpendingTest, WhatIsUnderWayElsewhereCountsWhileItsWorkerLives) {
  Process one = process();
  Process two = process();
  const auto keys = one.keys(env_);
  one.ledger->hold(keys, 5);
  one.exchange();
  two.exchange();
  EXPECT_EQ(spent(two).month, 5);
  one.exchange();
  EXPECT_EQ(spent(one).month, 5) << "its own is not counted twice";
  one.ledger->settle(keys, 5, 2);
  one.exchange();
  two.exchange();
  EXPECT_EQ(spent(two).month, 2);
  one.ledger->hold(keys, 5);
  one.exchange();
  env_.advance_us((kLeaseMs + 1) * 1000);  // it is killed, and its lease ends
  ASSERT_TRUE(renew_lease(*two.db, two.worker, kLeaseMs).value());
  two.exchange();
  EXPECT_EQ(spent(two).month, 2);
  ASSERT_TRUE(release_worker(*two.db, one.worker).ok());
  env_.advance_us(int64_t{700} * 1'000'000);
  two.exchange();
  EXPECT_EQ(number(*two.db, "SELECT count(*) FROM spending WHERE writer <> ''"), 0);
}

TEST_P(SpendingTest, WhatIsUnderWayIsToldAnewUnderANewName) {
  Process one = process();
  Process two = process();
  one.ledger->hold(one.keys(env_), 5);
  one.exchange();
  ASSERT_TRUE(release_worker(*one.db, one.worker).ok());  // fenced
  two.exchange();
  EXPECT_EQ(spent(two).month, 0);
  one.worker = register_worker(*one.db, env_, "{}", kLeaseMs).value();
  one.exchange();
  two.exchange();
  EXPECT_EQ(spent(two).month, 5);
}

TEST_P(SpendingTest, ARunTakesItsSpendingToWhoTakesItOver) {
  Process one = process("run_1");
  add_run(*one.db, "run_1", one.worker.id);
  spend(one, 4);
  one.exchange();
  EXPECT_EQ(spent(one).run, 4);
  Process two = process("run_1");
  EXPECT_EQ(spent(two).run, 0) << "not its run";
  ASSERT_TRUE(two.db->run("UPDATE run SET worker = $1", {two.worker.id}).ok());
  two.exchange();
  EXPECT_EQ(spent(two).run, 4);
  one.exchange();
  EXPECT_EQ(spent(one).run, 0) << "forgotten by who has lost it";
  ASSERT_TRUE(two.db->run("UPDATE run SET finished_us = 5", {}).ok());
  env_.advance_us(int64_t{700} * 1'000'000);
  two.exchange();
  EXPECT_EQ(number(*two.db, "SELECT count(*) FROM spending WHERE kind = 'run'"), 0);
  EXPECT_EQ(spent(two).month, 4);
}

TEST_P(SpendingTest, AnExchangeThatFailsLosesNothing) {
  Process one = process();
  spend(one, 3);
  faults_.commits_until_fault = 0;
  EXPECT_FALSE(one.spending->exchange(*one.db, one.worker).ok());
  EXPECT_EQ(spent(one).month, 3);
  one.exchange();
  spend(one, 2);
  faults_.locked_reads = 1;
  EXPECT_FALSE(one.spending->exchange(*one.db, one.worker).ok());
  EXPECT_EQ(spent(one).month, 5);
  one.exchange();
  EXPECT_EQ(spent(one).month, 5) << "what was spent is told once";
  Process two = process();
  EXPECT_EQ(spent(two).month, 5);
}

TEST_P(SpendingTest, ManyProcessesAtOnceLoseNothing) {
  constexpr int kProcesses = 6;
  constexpr int kRounds = 40;
  std::vector<Process> all;
  for (int i = 0; i < kProcesses; ++i) {
    all.push_back(process("", fmt::format("key_{}", i % 3), fmt::format("tenant_{}", i % 2)));
  }
  std::vector<std::thread> threads;
  for (Process& each : all) {
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        spend(each, 0.25);
        each.exchange();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (Process& each : all) {
    each.exchange();
    EXPECT_EQ(spent(each).month, 0.25 * kRounds * kProcesses);
    EXPECT_EQ(spent(each).tenant, 0.25 * kRounds * kProcesses / 2);
    EXPECT_EQ(spent(each).account, 0.25 * kRounds) << "a name within its tenant";
  }
}

INSTANTIATE_TEST_SUITE_P(Stores, SpendingTest, ::testing::Bool(), [](const auto& kind) {
  return kind.param ? "PostgreSQL" : "SQLite";
});

}  // namespace
}  // namespace weft::worker
