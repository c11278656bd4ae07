// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "base/env.h"
#include "base/file.h"

namespace weft::store {
namespace {

class SqliteStore : public ::testing::Test {
 protected:
  SqliteStore() {
    std::string pattern = (std::filesystem::temp_directory_path() / "weft-store-XXXXXX").string();
    CHECK(::mkdtemp(pattern.data()) != nullptr);
    directory_ = pattern;
  }
  ~SqliteStore() override { std::filesystem::remove_all(directory_); }
  std::string path(std::string_view name = "store.db") const {
    return (directory_ / name).string();
  }
  std::unique_ptr<Db> open(int64_t busy_ms_max = 5'000) const {
    auto db = open_sqlite({.path = path(), .busy_ms_max = busy_ms_max});
    CHECK(db.ok(), "{}", db.error().text());
    return std::move(db).value();
  }
  static int64_t number(Db& db, std::string_view sql) {
    auto rows = db.query(sql, {}).value();
    CHECK(rows->next().value());
    return rows->int64(0);
  }

  std::filesystem::path directory_;
};

constexpr Migration kMigrations[] = {
    {1, "items", "CREATE TABLE item (id BIGINT PRIMARY KEY, name TEXT NOT NULL, body BYTEA);"},
    {2, "weights", "ALTER TABLE item ADD COLUMN weight DOUBLE PRECISION; "
                   "CREATE INDEX item_name ON item (name);"},
};

TEST_F(SqliteStore, EveryKindOfValueComesBackAsItWent) {
  auto db = open();
  ASSERT_TRUE(migrate(*db, kMigrations).ok());
  const std::string bytes("\0\xff raw", 6);
  EXPECT_EQ(db->run("INSERT INTO item (id, name, body, weight) VALUES ($1, $2, $3, $4)",
                    {int64_t{1} << 60, "이름", Value::blob(bytes), 0.1})
                .value(),
            1);
  ASSERT_TRUE(db->run("INSERT INTO item (id, name) VALUES ($1, $2)", {2, ""}).ok());
  auto rows = db->query("SELECT id, name, body, weight FROM item ORDER BY id", {}).value();
  ASSERT_TRUE(rows->next().value());
  EXPECT_EQ(rows->text(1), "");
  EXPECT_EQ(rows->kind(1), Kind::kText);
  EXPECT_TRUE(rows->is_null(2));
  EXPECT_TRUE(rows->is_null(3));
  ASSERT_TRUE(rows->next().value());
  EXPECT_EQ(rows->int64(0), int64_t{1} << 60);
  EXPECT_EQ(rows->text(1), "이름");
  EXPECT_EQ(rows->kind(2), Kind::kBlob);
  EXPECT_EQ(rows->blob(2), bytes);
  EXPECT_EQ(rows->float64(3), 0.1);
  EXPECT_FALSE(rows->next().value());
}

TEST_F(SqliteStore, QueriesKeepTheirValuesAndNest) {
  auto db = open();
  ASSERT_TRUE(migrate(*db, kMigrations).ok());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(db->run("INSERT INTO item (id, name) VALUES ($1, $2)", {i, "a"}).ok());
  }
  constexpr std::string_view kSql = "SELECT id FROM item WHERE name = $1 ORDER BY id";
  auto name = std::make_unique<std::string>("a");
  auto outer = db->query(kSql, {*name}).value();
  name.reset();
  int count = 0;
  while (outer->next().value()) {
    auto inner = db->query(kSql, {"a"}).value();
    while (inner->next().value()) ++count;
  }
  EXPECT_EQ(count, 9);
}

TEST_F(SqliteStore, ATransactionIsAllOrNothing) {
  auto db = open();
  ASSERT_TRUE(migrate(*db, kMigrations).ok());
  {
    auto tx = Tx::begin(*db).value();
    ASSERT_TRUE(db->run("INSERT INTO item (id, name) VALUES (1, 'a')", {}).ok());
  }
  EXPECT_EQ(number(*db, "SELECT count(*) FROM item"), 0);
  auto tx = Tx::begin(*db).value();
  ASSERT_TRUE(db->run("INSERT INTO item (id, name) VALUES (1, 'a')", {}).ok());
  ASSERT_TRUE(tx.commit().ok());
  auto other = open();
  EXPECT_EQ(number(*other, "SELECT count(*) FROM item"), 1);
}

TEST_F(SqliteStore, TheFileIsPrivateAndKeepsAWriteAheadLog) {
  auto db = open();
  struct stat info {};
  ASSERT_EQ(::stat(path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  EXPECT_EQ(number(*db, "PRAGMA synchronous"), 2);  // FULL
  auto rows = db->query("PRAGMA journal_mode", {}).value();
  ASSERT_TRUE(rows->next().value());
  EXPECT_EQ(rows->text(0), "wal");
}

TEST_F(SqliteStore, AFailingStatementNamesItselfAndLeavesTheConnectionUsable) {
  auto db = open();
  ASSERT_TRUE(migrate(*db, kMigrations).ok());
  ASSERT_TRUE(db->run("INSERT INTO item (id, name) VALUES (1, 'a')", {}).ok());
  const auto twice = db->run("INSERT INTO item (id, name) VALUES (1, 'a')", {});
  ASSERT_FALSE(twice.ok());
  EXPECT_EQ(twice.error().code, "E0513");
  EXPECT_NE(twice.error().message.find("UNIQUE"), std::string::npos);
  EXPECT_EQ(db->run("SELEC 1", {}).error().code, "E0506");
  EXPECT_EQ(db->run("DELETE FROM item WHERE id = 7", {}).value(), 0);
  EXPECT_EQ(db->run("DELETE FROM item WHERE id = 1", {}).value(), 1);
}

TEST_F(SqliteStore, ALockedStoreSaysSoAfterItsTime) {
  auto holder = open();
  ASSERT_TRUE(migrate(*holder, kMigrations).ok());
  auto impatient = open(50);
  auto tx = Tx::begin(*holder).value();
  ASSERT_TRUE(holder->run("INSERT INTO item (id, name) VALUES (1, 'a')", {}).ok());
  const auto refused = Tx::begin(*impatient);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, "E0504");
  EXPECT_NE(refused.error().hint.find("another process"), std::string::npos);
}

TEST_F(SqliteStore, AWaitingWriterGetsItsTurn) {
  auto first = open();
  ASSERT_TRUE(migrate(*first, kMigrations).ok());
  auto tx = std::make_unique<Tx>(Tx::begin(*first).value());
  std::thread second([&] {
    auto db = open();
    auto waiting = Tx::begin(*db);
    ASSERT_TRUE(waiting.ok()) << waiting.error().text();
    ASSERT_TRUE(db->run("INSERT INTO item (id, name) VALUES (2, 'b')", {}).ok());
    ASSERT_TRUE(waiting->commit().ok());
  });
  real_env().sleep_us(30'000);
  ASSERT_TRUE(first->run("INSERT INTO item (id, name) VALUES (1, 'a')", {}).ok());
  ASSERT_TRUE(tx->commit().ok());
  second.join();
  EXPECT_EQ(number(*first, "SELECT count(*) FROM item"), 2);
}

TEST_F(SqliteStore, TwoProcessesMayCreateOneStoreAtTheSameMoment) {
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      SqliteOptions options{.path = path()};
      if (i % 2 == 0) options.fill = [](Db& fresh) { return migrate(fresh, kMigrations); };
      auto db = open_sqlite(options);
      if (!db.ok()) return;
      if (migrate(**db, kMigrations).ok()) ++good;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 8);
  auto db = open();
  EXPECT_EQ(number(*db, "SELECT count(*) FROM schema_version"), 2);
}

TEST_F(SqliteStore, ANewStoreAppearsWholeOrNotAtAll) {
  const auto fill = [](Db& db) { return migrate(db, kMigrations); };
  const auto broken = [](Db& db) -> Status {
    TRY(db.run("CREATE TABLE item (id BIGINT)", {}));
    return make_error("E0506", "it cannot be");
  };
  EXPECT_FALSE(open_sqlite({.path = path(), .fill = broken}).ok());
  EXPECT_TRUE(std::filesystem::is_empty(directory_));
  {
    auto db = open_sqlite({.path = path(), .fill = fill}).value();
    EXPECT_EQ(number(*db, "SELECT count(*) FROM item"), 0);
    ASSERT_TRUE(db->run("INSERT INTO item (id, name) VALUES (1, 'a')", {}).ok());
    EXPECT_TRUE(std::filesystem::exists(path() + "-wal"));
    // What is there is used as it is.
    auto again = open_sqlite({.path = path(), .fill = broken}).value();
    EXPECT_EQ(number(*again, "SELECT count(*) FROM item"), 1);
  }
  struct stat file {};
  ASSERT_EQ(::stat(path().c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600U);
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    EXPECT_EQ(entry.path().string().find(".new-"), std::string::npos) << entry.path();
  }
}

// The log of a store that was deleted holds pages of another file: they must not come back.
TEST_F(SqliteStore, TheLogOfADeletedStoreIsNotReplayed) {
  const auto fill = [](Db& db) { return migrate(db, kMigrations); };
  std::string log;
  {
    auto db = open_sqlite({.path = path(), .fill = fill}).value();
    ASSERT_TRUE(db->run("INSERT INTO item (id, name) VALUES (1, 'old')", {}).ok());
    log = read_file(path() + "-wal").value();
  }
  std::filesystem::remove(path());
  std::ofstream(path() + "-wal", std::ios::binary) << log;
  auto db = open_sqlite({.path = path(), .fill = fill}).value();
  ASSERT_TRUE(migrate(*db, kMigrations).ok());
  EXPECT_EQ(number(*db, "SELECT count(*) FROM item"), 0);
}

// A second connection of one process used to drop the locks of the first (POSIX), so that another
// process, closing its only connection, deleted the write-ahead log under both.
TEST_F(SqliteStore, AnotherProcessThatComesAndGoesLeavesTheLogOfTwoConnectionsInPlace) {
  if (std::system("sqlite3 --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "SKIPPED: no sqlite3";
  auto first = open();
  ASSERT_TRUE(first->script("CREATE TABLE t (x BIGINT)").ok());
  auto second = open();
  const std::string count = "sqlite3 '" + path() + "' 'SELECT count(*) FROM t' > '" +
                            path("count") + "'";
  ASSERT_EQ(std::system(count.c_str()), 0);
  ASSERT_TRUE(second->run("INSERT INTO t VALUES (1)", {}).ok());
  ASSERT_EQ(std::system(count.c_str()), 0);
  EXPECT_EQ(read_file(path("count"), 100).value(), "1\n");
}

TEST_F(SqliteStore, MigrationsGoOnWhereTheStoreStands) {
  auto db = open();
  ASSERT_TRUE(migrate(*db, std::span(kMigrations).first(1)).ok());
  ASSERT_TRUE(db->run("INSERT INTO item (id, name) VALUES (1, 'kept')", {}).ok());
  ASSERT_TRUE(migrate(*db, kMigrations).ok());
  ASSERT_TRUE(migrate(*db, kMigrations).ok());
  EXPECT_EQ(number(*db, "SELECT count(*) FROM item WHERE weight IS NULL"), 1);
  const Status newer = migrate(*db, std::span(kMigrations).first(1));
  ASSERT_FALSE(newer.ok());
  EXPECT_EQ(newer.error().code, "E0505");
}

TEST_F(SqliteStore, AFailingMigrationLeavesNothing) {
  constexpr Migration kBroken[] = {kMigrations[0], {2, "bad", "CREATE TABLE t (a TEXT); BOOM;"}};
  auto db = open();
  EXPECT_EQ(migrate(*db, kBroken).error().code, "E0506");
  EXPECT_EQ(number(*db, "SELECT count(*) FROM sqlite_master WHERE name IN ('t', 'item')"), 0);
  EXPECT_TRUE(migrate(*db, kMigrations).ok());
}

TEST_F(SqliteStore, AFileThatIsNoDatabaseIsRefused) {
  ASSERT_TRUE(write_file_atomic(path(), std::string(5000, 'x')).ok());
  const auto db = open_sqlite({.path = path()});
  ASSERT_FALSE(db.ok());
  EXPECT_EQ(db.error().code, "E0502");
  EXPECT_NE(db.error().message.find("store.db"), std::string::npos);
  EXPECT_FALSE(db.error().hint.empty());
}

// Cut at any length, the file opens, or is refused with a clear error; it never crashes us.
TEST_F(SqliteStore, TruncatedFilesAreErrors) {
  {
    auto db = open();
    ASSERT_TRUE(migrate(*db, kMigrations).ok());
    for (int i = 0; i < 500; ++i) {
      ASSERT_TRUE(db->run("INSERT INTO item (id, name) VALUES ($1, $2)", {i, "some name"}).ok());
    }
  }
  const std::string whole = read_file(path()).value();
  ASSERT_GT(whole.size(), 20'000U);
  int refused = 0;
  for (size_t size = 1; size < whole.size(); size += 1777) {
    ASSERT_TRUE(write_file_atomic(path(), whole.substr(0, size)).ok());
    auto db = open_sqlite({.path = path()});
    if (db.ok()) {
      auto rows = (*db)->query("SELECT sum(length(name)) FROM item", {});
      const auto next = rows.ok() ? (*rows)->next() : Result<bool>(rows.error());
      if (next.ok()) continue;
      EXPECT_TRUE(next.error().code == "E0502" || next.error().code == "E0506")
          << next.error().text();
    } else {
      EXPECT_TRUE(db.error().code == "E0502" || db.error().code == "E0506") << db.error().text();
    }
    ++refused;
  }
  EXPECT_GT(refused, 10);
}

TEST_F(SqliteStore, MissingAndForbiddenPlacesAreNamed) {
  EXPECT_EQ(open_sqlite({.path = path("no/such/store.db")}).error().code, "E0501");
  EXPECT_EQ(open_sqlite({.path = path("absent.db"), .create = false}).error().code, "E0501");
  EXPECT_EQ(open_sqlite({.path = directory_.string()}).error().code, "E0501");
}

// As an unprivileged user: root ignores modes.
TEST_F(SqliteStore, AReadOnlyDirectoryIsAnError) {
  { ASSERT_TRUE(migrate(*open(), kMigrations).ok()); }
  ASSERT_EQ(::chmod(path().c_str(), 0444), 0);
  ASSERT_EQ(::chmod(directory_.c_str(), 0555), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && ::seteuid(65534) != 0) ::_exit(3);
    const auto existing = open_sqlite({.path = path()});
    const auto fresh = open_sqlite({.path = path("new.db")});
    const bool good = !existing.ok() && existing.error().code == "E0501" && !fresh.ok() &&
                      fresh.error().code == "E0501";
    ::_exit(good ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  ASSERT_EQ(::chmod(directory_.c_str(), 0755), 0);
}

// A disk that is full, by the only means that needs no privilege: a limit on the file's pages.
TEST_F(SqliteStore, AFullDiskSaysSoAndKeepsWhatWasCommitted) {
  auto db = open();
  ASSERT_TRUE(migrate(*db, kMigrations).ok());
  ASSERT_TRUE(db->run("INSERT INTO item (id, name) VALUES (1, 'kept')", {}).ok());
  { auto rows = db->query("PRAGMA max_page_count=12", {}).value()->next(); }
  const std::string big(100'000, 'x');
  const auto full = db->run("INSERT INTO item (id, name) VALUES (2, $1)", {big});
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, "E0503");
  EXPECT_NE(full.error().hint.find("safe"), std::string::npos);
  EXPECT_EQ(number(*db, "SELECT count(*) FROM item"), 1);
}

TEST_F(SqliteStore, TheClockIsThatOfTheWorld) {
  auto db = open();
  const int64_t here = real_env().wall_us() / 1000;
  EXPECT_NEAR(static_cast<double>(db->now_ms().value()), static_cast<double>(here), 2000.0);
}

}  // namespace
}  // namespace weft::store
