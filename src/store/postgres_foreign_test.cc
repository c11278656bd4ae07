// SPDX-License-Identifier: Apache-2.0
//
// Statements on somebody else's server: what the answer says has happened is what has happened.
// Against a real server in a temporary directory.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "base/env.h"
#include "store/foreign.h"
#include "store/postgres.h"
#include "store/postgres_test.h"

namespace weft::store {
namespace {

class PostgresForeign : public PostgresTest {
 protected:
  void SetUp() override {
    PostgresTest::SetUp();
    if (IsSkipped()) return;
    db_ = open_postgres({.url = url_}).value();
    ASSERT_TRUE(db_->script("CREATE TABLE t (x BIGINT);"
                            "INSERT INTO t SELECT n FROM generate_series(1, 5000) n").ok());
  }
  Result<json::Object> ask(std::string sql, int64_t rows_max = 1000,
                           size_t bytes_max = size_t{1} << 20, bool writes = true) {
    ForeignQuery query;
    query.sql = std::move(sql);
    query.writes = writes;
    query.rows_max = rows_max;
    query.bytes_max = bytes_max;
    query.timeout_ms = 20'000;
    return ask_postgres(url_, query);
  }
  int64_t negative() {
    auto rows = db_->query("SELECT count(*) FROM t WHERE x < 0", {}).value();
    CHECK(rows->next().value());
    return rows->int64(0);
  }
  std::unique_ptr<Db> db_;
};

TEST_F(PostgresForeign, AWriteWithMoreRowsThanAreToldIsCommittedWhole) {
  const auto out = ask("UPDATE t SET x = -x RETURNING x", 10);
  ASSERT_TRUE(out.ok()) << out.error().text();
  EXPECT_EQ(out->at("rows").as_array().size(), 10U);
  EXPECT_EQ(out->at("more"), true);
  EXPECT_EQ(out->at("changed"), 5000);
  EXPECT_EQ(negative(), 5000);
}

// The server's own role may do all of this even in a read-only transaction.
TEST_F(PostgresForeign, AReaderCopiesNothingOutAndRunsNoCode) {
  const std::string copied = "/tmp/weft-copied-" + std::to_string(getpid());
  for (const std::string& sql :
       {"COPY t TO '" + copied + "'", "COPY t TO PROGRAM 'cat > " + copied + "'",
        std::string("DO $$ BEGIN PERFORM 1; END $$"), std::string("SET TRANSACTION READ WRITE"),
        std::string("COMMIT"), std::string("LOCK TABLE t")}) {
    const auto out = ask(sql, 1000, 1 << 20, false);
    ASSERT_FALSE(out.ok()) << sql;
    EXPECT_EQ(out.error().code, "E0626") << sql;
  }
  EXPECT_NE(access(copied.c_str(), F_OK), 0);
  for (const char* sql : {"SELECT 1", "VALUES (1)", "TABLE t", "SHOW server_version",
                          "EXPLAIN SELECT 1", "WITH a AS (SELECT 1) SELECT * FROM a"}) {
    EXPECT_TRUE(ask(sql, 10, 1 << 20, false).ok()) << sql;
  }
}

TEST_F(PostgresForeign, AWriteWhoseRowsCannotBeToldHasNotHappened) {
  EXPECT_EQ(ask("UPDATE t SET x = -x RETURNING x", 5000, 100).error().code, "E0626");
  EXPECT_EQ(negative(), 0);
}

TEST_F(PostgresForeign, AWriteThatFailsBehindTheRowsThatAreToldIsAnError) {
  const auto out = ask("WITH c AS (UPDATE t SET x = -x RETURNING x) "
                       "SELECT 1 / (x + 4000) FROM c", 10);
  ASSERT_FALSE(out.ok());
  EXPECT_EQ(out.error().code, "E0626");
  EXPECT_EQ(negative(), 0);
}

TEST_F(PostgresForeign, AReadIsCutOffAndReportsNoChange) {
  const auto out = ask("SELECT x FROM t", 10, size_t{1} << 20, false);
  ASSERT_TRUE(out.ok()) << out.error().text();
  EXPECT_EQ(out->at("rows").as_array().size(), 10U);
  EXPECT_EQ(out->at("more"), true);
  EXPECT_EQ(out->at("changed"), 0);
  EXPECT_EQ(ask("SELECT x FROM t", 5000)->at("changed"), 0);
}

// The server goes on for nobody, and what was written is not there.
TEST_F(PostgresForeign, AStatementThatNobodyWaitsForIsCancelled) {
  for (const bool writes : {false, true}) {
    std::atomic<bool> stop = false;
    ForeignQuery query;
    query.sql = writes ? "UPDATE t SET x = -x WHERE x < 3 AND pg_sleep(15) IS NOT NULL RETURNING x"
                       : "SELECT pg_sleep(15) FROM t";
    query.writes = writes;
    query.stop = &stop;
    std::thread leaver([&] {
      real_env().sleep_us(300'000);
      stop = true;
    });
    const int64_t since_ns = real_env().mono_ns();
    EXPECT_FALSE(ask_postgres(url_, query).ok());
    leaver.join();
    EXPECT_LT(real_env().mono_ns() - since_ns, int64_t{10'000'000'000});
    auto rows = db_->query("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND "
                           "query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()", {}).value();
    ASSERT_TRUE(rows->next().value());
    EXPECT_EQ(rows->int64(0), 0);
  }
  EXPECT_EQ(negative(), 0);
}

TEST_F(PostgresForeign, AServerThatCannotBeReachedWasNotAsked) {
  url_ = "postgres://me:secret@127.0.0.1:1/x";
  EXPECT_EQ(ask("UPDATE t SET x = 0").error().code, "E0501");
}

}  // namespace
}  // namespace weft::store
