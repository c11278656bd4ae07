// SPDX-License-Identifier: Apache-2.0
//
// The journals of several processes on a real PostgreSQL server, where writers run side by side and
// may wait for each other's rows.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

#include "store/postgres.h"
#include "store/postgres_test.h"
#include "worker/journal.h"
#include "worker/schema.h"

namespace weft::worker {
namespace {

// A journal of its own process.
struct Writer {
  explicit Writer(const std::string& url) {
    JournalOptions options;
    options.open = [url] { return open_journal_store(url); };
    journal = Journal::open(real_env(), std::move(options), [this](Written written) {
                if (written.failed) failed = true;
                refused += static_cast<int>(written.refused.size());
                lost += static_cast<int>(written.lost.size());
              }).value();
  }
  bool reaches(Sequence sequence) const {
    for (int i = 0; i < 4'000 && !failed; ++i) {
      if (journal->durable().covers(sequence)) return true;
      real_env().sleep_us(5'000);
    }
    return false;
  }
  std::atomic<bool> failed = false;
  std::atomic<int> refused = 0;
  std::atomic<int> lost = 0;
  std::unique_ptr<Journal> journal;
};

Change with_effect(const std::string& id, const std::string& key) {
  Change change;
  change.run = id;
  change.insert = RunRow{.id = id, .definition_hash = "h", .definition = "{}", .workflow = "w",
                         .input = "{}", .context = "{}", .created_us = 1, .claimed = true};
  change.state.status = "running";
  change.effects.push_back({key, "a", 1, "intent", "q", ""});
  return change;
}

class JournalPostgres : public store::PostgresTest {};

TEST_F(JournalPostgres, EffectsOfTheSameNamesAreNoDeadlock) {
  constexpr int kRounds = 20;
  constexpr int kKeys = 20;
  {
    Writer up(url_);
    Writer down(url_);
    for (int round = 0; round < kRounds; ++round) {
      Sequence of_up, of_down;
      for (int i = 0; i < kKeys; ++i) {
        const std::string id = fmt::format("run_{}_{}", round, i);
        of_up = up.journal->append(with_effect(id + "u", fmt::format("key {:02}", i)));
        of_down = down.journal->append(
            with_effect(id + "d", fmt::format("key {:02}", kKeys - 1 - i)));
      }
      ASSERT_TRUE(up.reaches(of_up));
      ASSERT_TRUE(down.reaches(of_down));
    }
    EXPECT_TRUE(up.journal->close().ok());
    EXPECT_TRUE(down.journal->close().ok());
  }
  // A session counts when it ends.
  const auto db = open_journal_store(url_).value();
  const auto rows =
      db->query("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()", {})
          .value();
  ASSERT_TRUE(rows->next().value());
  EXPECT_EQ(rows->int64(0), 0);
}

// Somebody else takes rows in another order, and looks for deadlocks later than we.
TEST_F(JournalPostgres, TheVictimOfADeadlockBeginsAgain) {
  Writer writer(url_);
  const auto other = open_journal_store(url_).value();
  ASSERT_TRUE(other->script("SET deadlock_timeout = '20s'").ok());
  const auto take = [&](const char* key) {
    return other->run("INSERT INTO effect (key, run, path, attempt, state, req_hash) VALUES "
                      "($1, 'r', 'p', 1, 'intent', '')", {key}).ok();
  };
  auto tx = store::Tx::begin(*other).value();
  ASSERT_TRUE(take("key 2"));
  Change both = with_effect("run_a", "key 1");
  both.effects.push_back({"key 2", "b", 1, "intent", "q", ""});
  const Sequence last = writer.journal->append(std::move(both));
  real_env().sleep_us(300'000);  // it has the first and waits for the second
  EXPECT_TRUE(take("key 1"));
  ASSERT_TRUE(tx.commit().ok());
  EXPECT_TRUE(writer.reaches(last));
  EXPECT_FALSE(writer.failed);
  EXPECT_TRUE(writer.journal->close().ok());
}

// A key that no index takes, and a text that is none: the others of their group are written.
TEST_F(JournalPostgres, ARunThatCannotBeStoredIsRefusedAlone) {
  Writer writer(url_);
  std::string bytes(6'000, 'x');
  real_env().random(std::span(reinterpret_cast<uint8_t*>(bytes.data()), bytes.size()));
  for (char& c : bytes) c = static_cast<char>('a' + (static_cast<uint8_t>(c) & 15));
  writer.journal->append(with_effect("run_a", "key 1"));
  writer.journal->append(with_effect("run_b", bytes));
  Change bad = with_effect("run_c", "key 3");
  bad.insert->workflow = "\xff";
  writer.journal->append(std::move(bad));
  const Sequence last = writer.journal->append(with_effect("run_d", "key 4"));
  EXPECT_TRUE(writer.reaches(last));
  const Status closed = writer.journal->close();  // no executor has heard of them
  ASSERT_FALSE(closed.ok());
  EXPECT_EQ(closed.error().code, "E0513");
  EXPECT_NE(closed.error().message.find("run run_b (and of 1 more)"), std::string::npos);
  EXPECT_EQ(writer.refused, 2);
  const auto db = open_journal_store(url_).value();
  const auto rows = db->query("SELECT count(*), min(id), max(id) FROM run", {}).value();
  ASSERT_TRUE(rows->next().value());
  EXPECT_EQ(rows->int64(0), 2);
  EXPECT_EQ(rows->text(1), "run_a");
  EXPECT_EQ(rows->text(2), "run_d");
}

// Somebody takes a run's key between our look and our insertion.
TEST_F(JournalPostgres, AKeyThatIsTakenAtThisMomentEndsNoWorker) {
  Writer writer(url_);
  const auto other = open_journal_store(url_).value();
  auto tx = store::Tx::begin(*other).value();
  ASSERT_TRUE(other->run("INSERT INTO definition (hash, doc) VALUES ('o', '{}')", {}).ok());
  ASSERT_TRUE(other->run("INSERT INTO run (id, def_hash, workflow, input, context, status, "
                         "priority, version, created_us, idem_key) VALUES ('theirs', 'o', 'w', "
                         "'{}', '{}', 'queued', 1, 1, 1, 'key')", {}).ok());
  Change ours = with_effect("run_a", "key 1");
  ours.insert->idem_key = "key";
  const Sequence last = writer.journal->append(std::move(ours));
  real_env().sleep_us(300'000);  // it waits for what becomes of the other
  ASSERT_TRUE(tx.commit().ok());
  EXPECT_TRUE(writer.reaches(last));
  EXPECT_TRUE(writer.journal->close().ok());
  EXPECT_EQ(writer.lost, 1);
  EXPECT_EQ(writer.refused, 0);
}

}  // namespace
}  // namespace weft::worker
