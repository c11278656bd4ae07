// SPDX-License-Identifier: Apache-2.0
//
// Hints of a real PostgreSQL server: work that somebody leaves is taken at once, long before the
// regular look; and nothing depends on them: without, or while their connection is broken, the
// regular look finds everything.
#include "store/postgres_hints.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "store/postgres.h"
#include "store/postgres_test.h"
#include "worker/journal.h"
#include "worker/schema.h"

namespace weft::worker {
namespace {

constexpr auto kSoon = std::chrono::seconds(20);
constexpr int64_t kNever = 600'000;  // ms: no test waits so long

// A journal of its own process, with room for runs of others.
class Taker {
 public:
  Taker(const std::string& url, int64_t scan_ms, int64_t room) {
    JournalOptions options;
    options.open = [url] { return open_journal_store(url); };
    options.scan_ms = scan_ms;
    options.inbox_ms = scan_ms;
    auto opened = Journal::open(real_env(), std::move(options), [this](Written written) {
      const std::lock_guard lock(mutex_);
      for (StoredRun& run : written.claimed) claimed_.push_back(run.summary.id);
      if (written.failed) failed_ = written.failed->text();
      news_.notify_all();
    });
    journal_ = std::move(opened).value();
    journal_->set_room(room);
  }
  // Whether so many were claimed soon.
  bool has(size_t runs) {
    std::unique_lock lock(mutex_);
    return news_.wait_for(lock, kSoon, [&] { return claimed_.size() >= runs; });
  }
  Journal& journal() { return *journal_; }
  std::string failed() {
    const std::lock_guard lock(mutex_);
    return failed_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable news_;
  std::vector<std::string> claimed_;
  std::string failed_;
  std::unique_ptr<Journal> journal_;  // its thread ends first
};

Change left_for_others(const std::string& id) {
  Change change;
  change.run = id;
  change.insert = RunRow{.id = id, .definition_hash = "h", .definition = "{}", .workflow = "w",
                         .input = "{}", .context = "{}", .created_us = 1, .claimed = false};
  change.first_seq = 1;
  change.events.push_back({"run_accepted", "", "{}", 5});
  return change;
}

class HintsTest : public store::PostgresTest {
 protected:
  std::unique_ptr<store::Db> db() { return open_journal_store(url_).value(); }
  int64_t number(store::Db& db, std::string_view sql) {
    auto rows = db.query(sql, {}).value();
    CHECK(rows->next().value());
    return rows->int64(0);
  }
};

TEST_F(HintsTest, WorkIsTakenAtOnceAndNotAtTheNextLook) {
  Taker taker(url_, kNever, 64);
  auto hints =
      store::PostgresHints::start(url_, [&] { taker.journal().hint(); }).value();
  Taker giver(url_, kNever, 0);
  for (const char* id : {"run_a", "run_b", "run_c"}) giver.journal().append(left_for_others(id));
  EXPECT_TRUE(taker.has(3)) << taker.failed() << giver.failed();
  hints.reset();
}

TEST_F(HintsTest, WhatWasLeftBeforeAnybodyListenedIsTakenAsWell) {
  Taker giver(url_, kNever, 0);
  Taker taker(url_, kNever, 64);
  giver.journal().append(left_for_others("run_a"));
  auto store = db();
  for (int i = 0; i < 200 && number(*store, "SELECT count(*) FROM run") == 0; ++i) {
    real_env().sleep_us(10'000);
  }
  auto hints =
      store::PostgresHints::start(url_, [&] { taker.journal().hint(); }).value();
  EXPECT_TRUE(taker.has(1)) << taker.failed();
  hints.reset();
}

TEST_F(HintsTest, AConnectionThatBreaksIsMadeAnew) {
  Taker taker(url_, kNever, 64);
  auto hints =
      store::PostgresHints::start(url_, [&] { taker.journal().hint(); }).value();
  auto store = db();
  const auto listeners = [&] {
    return number(*store, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'");
  };
  for (int i = 0; i < 500 && listeners() == 0; ++i) real_env().sleep_us(10'000);
  ASSERT_EQ(listeners(), 1);
  EXPECT_EQ(number(*store, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                           "WHERE query LIKE 'LISTEN%'"), 1);
  Taker giver(url_, kNever, 0);
  giver.journal().append(left_for_others("run_a"));
  EXPECT_TRUE(taker.has(1)) << taker.failed();
  hints.reset();
}

// Four workers, a hundred runs, and all hear of each: everyone is taken by one.
TEST_F(HintsTest, ManyWhoHearOfOneRunTakeItOnce) {
  std::vector<std::unique_ptr<Taker>> takers;
  std::vector<std::unique_ptr<store::PostgresHints>> hints;
  for (int i = 0; i < 4; ++i) {
    takers.push_back(std::make_unique<Taker>(url_, kNever, 64));
    hints.push_back(store::PostgresHints::start(
        url_, [taker = takers.back().get()] { taker->journal().hint(); }).value());
  }
  Taker giver(url_, kNever, 0);
  constexpr int kRuns = 100;
  for (int i = 0; i < kRuns; ++i) giver.journal().append(left_for_others(fmt::format("run_{}", i)));
  auto store = db();
  for (int i = 0; i < 2'000; ++i) {
    if (number(*store, "SELECT count(*) FROM run WHERE worker IS NOT NULL") == kRuns) break;
    real_env().sleep_us(10'000);
  }
  EXPECT_EQ(number(*store, "SELECT count(*) FROM run WHERE worker IS NOT NULL"), kRuns);
  EXPECT_EQ(number(*store, "SELECT count(*) FROM run WHERE version <> 2"), 0)
      << "a run was claimed twice";
  for (const auto& taker : takers) EXPECT_EQ(taker->failed(), "");
  hints.clear();
}

TEST_F(HintsTest, WithoutThemTheRegularLookFindsEverything) {
  Taker taker(url_, 100, 64);
  Taker giver(url_, kNever, 0);
  giver.journal().append(left_for_others("run_a"));
  EXPECT_TRUE(taker.has(1)) << taker.failed();
}

TEST_F(HintsTest, AServerThatIsNotThereIsNoErrorOfHints) {
  int heard = 0;
  auto hints = store::PostgresHints::start("postgres://weft@%2Fnonexistent/t", [&] { ++heard; });
  ASSERT_TRUE(hints.ok());
  real_env().sleep_us(50'000);
  hints->reset();
  EXPECT_EQ(heard, 0);
}

}  // namespace
}  // namespace weft::worker
