// SPDX-License-Identifier: Apache-2.0
//
// A write that also tells rows: either its rows are told and it is committed, or neither.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "base/env.h"
#include "store/foreign.h"
#include "store/sqlite.h"

namespace weft::store {
namespace {

class SqliteForeign : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "weft-foreign-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    path_ = (directory_ / "their.db").string();
    db_ = open_sqlite({.path = path_}).value();
    ASSERT_TRUE(db_->script("CREATE TABLE t (x INTEGER, b BLOB);"
                            "INSERT INTO t VALUES (1, x'ff'), (2, x'fe'), (3, x'fd')").ok());
  }
  void TearDown() override {
    db_.reset();
    std::filesystem::remove_all(directory_);
  }
  Result<json::Object> ask(std::string sql, int64_t rows_max = 1000, size_t bytes_max = 1000) {
    ForeignQuery query;
    query.sql = std::move(sql);
    query.writes = true;
    query.rows_max = rows_max;
    query.bytes_max = bytes_max;
    query.timeout_ms = timeout_ms_;
    query.stop = stop_;
    return ask_sqlite(path_, query);
  }
  int64_t sum() {
    auto rows = db_->query("SELECT sum(x) FROM t", {}).value();
    CHECK(rows->next().value());
    return rows->int64(0);
  }
  std::filesystem::path directory_;
  std::string path_;
  int64_t timeout_ms_ = 10'000;
  const std::atomic<bool>* stop_ = nullptr;
  std::unique_ptr<Db> db_;
};

TEST_F(SqliteForeign, AWriteWhoseRowsCannotBeToldHasNotHappened) {
  EXPECT_EQ(ask("UPDATE t SET x = x + 10 RETURNING b").error().code, "E0626") << "no text";
  EXPECT_EQ(sum(), 6);
  EXPECT_EQ(ask("UPDATE t SET x = x + 10 RETURNING hex(b)", 1000, 3).error().code, "E0626");
  EXPECT_EQ(sum(), 6) << "more bytes than may be";
}

TEST_F(SqliteForeign, AWriteWithMoreRowsThanAreToldHasHappenedWhole) {
  const auto out = ask("UPDATE t SET x = x + 10 RETURNING x", 2);
  ASSERT_TRUE(out.ok()) << out.error().text();
  EXPECT_EQ(out->at("rows").as_array().size(), 2U);
  EXPECT_EQ(out->at("more"), true);
  EXPECT_EQ(out->at("changed"), 3);
  EXPECT_EQ(sum(), 36);
}

// Without a write-ahead log a reader keeps a commit from happening.
TEST_F(SqliteForeign, ACommitThatFailsIsAnErrorThoughRowsWereRead) {
  ASSERT_TRUE(db_->script("PRAGMA journal_mode = DELETE").ok());
  {
    auto reading = db_->query("SELECT x FROM t", {}).value();
    ASSERT_TRUE(reading->next().value());
    timeout_ms_ = 200;
    EXPECT_EQ(ask("UPDATE t SET x = x + 10 RETURNING x", 1).error().code, "E0504");
  }
  EXPECT_EQ(sum(), 6);
  EXPECT_TRUE(ask("UPDATE t SET x = x + 10 RETURNING x", 1).ok());
  EXPECT_EQ(sum(), 36);
}

TEST_F(SqliteForeign, WritesWithoutRowsAndReadsGoOnAsBefore) {
  EXPECT_EQ(ask("UPDATE t SET x = 0")->at("changed"), 3);
  EXPECT_EQ(sum(), 0);
  EXPECT_EQ(ask("SELECT x FROM t", 2)->at("more"), true);
  EXPECT_EQ(ask("SELECT x FROM t")->at("changed"), 0);
}

// A sum without an end, a write on its way, a lock that somebody holds: each ends with whoever
// waited for it, long before its own time is over.
TEST_F(SqliteForeign, AStatementThatNobodyWaitsForIsCutOff) {
  const std::string forever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
                              "SELECT count(*) FROM n";
  const auto takes_ms = [this](const std::string& sql) {
    std::atomic<bool> stop = false;
    stop_ = &stop;
    std::thread leaver([&] {
      real_env().sleep_us(100'000);
      stop = true;
    });
    const int64_t since_ns = real_env().mono_ns();
    EXPECT_FALSE(ask(sql).ok()) << sql;
    leaver.join();
    stop_ = nullptr;
    return (real_env().mono_ns() - since_ns) / 1'000'000;
  };
  timeout_ms_ = 60'000;
  EXPECT_LT(takes_ms(forever), 10'000);
  EXPECT_LT(takes_ms("UPDATE t SET x = (" + forever + ")"), 10'000);
  EXPECT_LT(takes_ms("UPDATE t SET x = (" + forever + ") RETURNING x"), 10'000);
  EXPECT_EQ(sum(), 6);
  const Tx held = Tx::begin(*db_).value();
  EXPECT_LT(takes_ms("UPDATE t SET x = 0"), 5'000);
}

TEST_F(SqliteForeign, AFileThatIsNotThereIsNamed) {
  path_ = "no/such/crm.db";
  const auto out = ask("SELECT 1");
  ASSERT_FALSE(out.ok());
  EXPECT_EQ(out.error().code, "E0501");
  EXPECT_NE(out.error().message.find("no/such/crm.db"), std::string::npos) << out.error().text();
  EXPECT_NE(out.error().hint.find("--database NAME=sqlite:PATH"), std::string::npos);
}

}  // namespace
}  // namespace weft::store
