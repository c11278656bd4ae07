// SPDX-License-Identifier: Apache-2.0
//
// Against a real server: a throw-away cluster in a temporary directory, reached by a socket there.
#include "store/postgres.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "store/postgres_test.h"

namespace weft::store {
namespace {

class PostgresStore : public PostgresTest {
 protected:
  std::unique_ptr<Db> open() const {
    auto db = open_postgres({.url = url_});
    CHECK(db.ok(), "{}", db.error().text());
    return std::move(db).value();
  }
  static int64_t number(Db& db, std::string_view sql) {
    auto rows = db.query(sql, {}).value();
    CHECK(rows->next().value());
    return rows->int64(0);
  }
};

TEST_F(PostgresStore, EveryKindOfValueComesBackAsItWent) {
  auto db = open();
  ASSERT_TRUE(db->script("CREATE TABLE t (a TEXT, b BIGINT, c DOUBLE PRECISION, d BYTEA, e TEXT)")
                  .ok());
  const std::string bytes("\0\x01\xff\\x'", 6);
  ASSERT_EQ(db->run("INSERT INTO t VALUES ($1, $2, $3, $4, $5)",
                    {"한국어 'q'", INT64_MIN, 0.1, Value::blob(bytes), nullptr}).value(), 1);
  auto rows = db->query("SELECT a, b, c, d, e FROM t WHERE b = $1", {INT64_MIN}).value();
  ASSERT_TRUE(rows->next().value());
  EXPECT_EQ(rows->text(0), "한국어 'q'");
  EXPECT_EQ(rows->int64(1), INT64_MIN);
  EXPECT_EQ(rows->float64(2), 0.1);
  EXPECT_EQ(rows->blob(3), bytes);
  EXPECT_TRUE(rows->is_null(4));
  EXPECT_EQ(rows->kind(3), Kind::kBlob);
  EXPECT_FALSE(rows->next().value());
}

TEST_F(PostgresStore, ATransactionIsAllOrNothingAndAnErrorInItIsNotCommitted) {
  auto db = open();
  ASSERT_TRUE(db->script("CREATE TABLE t (x BIGINT PRIMARY KEY)").ok());
  {
    Tx tx = Tx::begin(*db).value();
    ASSERT_TRUE(db->run("INSERT INTO t VALUES (1)", {}).ok());
  }
  EXPECT_EQ(number(*db, "SELECT count(*) FROM t"), 0);
  Tx tx = Tx::begin(*db).value();
  ASSERT_TRUE(db->run("INSERT INTO t VALUES (1)", {}).ok());
  EXPECT_EQ(db->run("INSERT INTO t VALUES (1)", {}).error().code, "E0513");
  EXPECT_FALSE(tx.commit().ok()) << "the server rolled it back";
  EXPECT_EQ(number(*db, "SELECT count(*) FROM t"), 0);
}

TEST_F(PostgresStore, ClaimsPassOverRowsThatOthersAreClaiming) {
  auto first = open();
  auto second = open();
  ASSERT_TRUE(first->script("CREATE TABLE t (x BIGINT); INSERT INTO t VALUES (1), (2)").ok());
  const std::string claim = fmt::format("SELECT x FROM t ORDER BY x LIMIT 1{}",
                                        first->skip_locked());
  Tx one = Tx::begin(*first).value();
  Tx two = Tx::begin(*second).value();
  EXPECT_EQ(number(*first, claim), 1);
  EXPECT_EQ(number(*second, claim), 2);
}

TEST_F(PostgresStore, MigrationsOfTwoProcessesDoNotCollide) {
  const Migration steps[] = {{1, "a", "CREATE TABLE a (x BIGINT)"},
                             {2, "b", "CREATE TABLE b (x BIGINT)"}};
  auto second = open();
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { good += migrate(*open(), steps).ok() ? 1 : 0; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 4);
  ASSERT_TRUE(migrate(*second, steps).ok());
  EXPECT_EQ(number(*second, "SELECT max(number) FROM schema_version"), 2);
  const Migration older[] = {{1, "a", "CREATE TABLE a (x BIGINT)"}};
  EXPECT_EQ(migrate(*second, older).error().code, "E0505");
}

TEST_F(PostgresStore, AServerThatStopsIsAnErrorAndComesBack) {
  auto db = open();
  ASSERT_TRUE(db->script("CREATE TABLE t (x BIGINT)").ok());
  cluster_->stop();
  EXPECT_EQ(db->run("INSERT INTO t VALUES (1)", {}).error().code, "E0507");
  EXPECT_EQ(open_postgres({.url = url_}).error().code, "E0501");
  ASSERT_TRUE(cluster_->go());
  auto again = open();
  EXPECT_EQ(number(*again, "SELECT count(*) FROM t"), 0);
}

// What a hot standby says, and a primary that a failover has made one.
TEST_F(PostgresStore, AServerThatTakesNoWritesIsGoneForNow) {
  auto db = open();
  ASSERT_TRUE(db->script("CREATE TABLE t (x BIGINT); SET default_transaction_read_only = on").ok());
  const Error refused = db->run("INSERT INTO t VALUES (1)", {}).error();
  EXPECT_EQ(refused.code, "E0507");
  EXPECT_NE(refused.hint.find("target_session_attrs"), std::string::npos) << refused.hint;
  Tx tx = Tx::begin(*db).value();
  ASSERT_TRUE(db->post("INSERT INTO t VALUES (1)", {}).ok());
  EXPECT_EQ(tx.commit().error().code, "E0507");
}

TEST_F(PostgresStore, ASilentServerEndsInAnErrorInsteadOfAThreadThatHangs) {
  auto db = open_postgres({.url = url_, .statement_ms_max = 300}).value();
  EXPECT_EQ(db->query("SELECT pg_sleep(5)", {}).error().code, "E0507");
}

TEST_F(PostgresStore, WrongAddressesAreNamedWithoutTheirPassword) {
  const auto error = open_postgres({.url = "postgres://me:secret@127.0.0.1:1/x"}).error();
  EXPECT_EQ(error.code, "E0501");
  EXPECT_EQ(error.message.find("secret"), std::string::npos) << error.message;
}

}  // namespace
}  // namespace weft::store
