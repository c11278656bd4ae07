// SPDX-License-Identifier: Apache-2.0
#include "security/audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "security/checkpoint.h"
#include "store/sqlite.h"

namespace weft::security {
namespace {

constexpr store::Migration kAuditTables[] = {{1, "audit", R"sql(
CREATE TABLE audit (
  writer TEXT NOT NULL, epoch BIGINT NOT NULL, n BIGINT NOT NULL, at_us BIGINT NOT NULL,
  tenant TEXT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, resource TEXT NOT NULL,
  outcome TEXT NOT NULL, details TEXT NOT NULL, prev_hash BYTEA NOT NULL, hash BYTEA NOT NULL,
  PRIMARY KEY (writer, epoch, n));
)sql"}};

class AuditTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::temp_directory_path() /
                 ("weft-audit-" + std::to_string(::getpid()) + random_text(6));
    std::filesystem::create_directories(directory_);
    file_ = (directory_ / "checkpoints").string();
    db_ = store::open_sqlite({.path = (directory_ / "store.db").string()}).value();
    ASSERT_TRUE(store::migrate(*db_, kAuditTables).ok());
    for (int i = 1; i <= 5; ++i) {
      ASSERT_TRUE(write_audit(*db_, {"a", 1}, head_,
                              {.at_us = i, .tenant = i % 2 ? "acme" : "", .user = "ada",
                               .action = i == 3 ? "keys:manage" : "data_processing",
                               .resource = "r" + std::to_string(i)}).ok());
    }
  }
  void TearDown() override {
    db_.reset();
    std::filesystem::remove_all(directory_);
  }
  void expect_broken_by(const char* sql) {
    ASSERT_TRUE(db_->begin().ok());
    ASSERT_TRUE(db_->script(sql).ok()) << sql;
    const auto checked = verify_audit(*db_, {});
    EXPECT_FALSE(checked.ok()) << sql;
    if (!checked.ok()) {
      EXPECT_EQ(checked.error().code, "E0765");
    }
    db_->rollback();
    EXPECT_EQ(verify_audit(*db_, {}).value(), 5);
  }
  Status append(int64_t at_us, std::vector<ChainState> chains) {
    return append_checkpoint(file_, seed_, at_us, chains);
  }
  std::string text() const { return read_file(file_).value(); }

  std::filesystem::path directory_;
  std::string file_;
  std::unique_ptr<store::Db> db_;
  AuditHead head_{"a", 1};
  const Secret seed_ = Secret::derived("seed");
};

TEST_F(AuditTest, WhateverIsDoneToRecordsShows) {
  EXPECT_EQ(verify_audit(*db_, {}).value(), 5);
  for (const char* column : {"tenant", "actor", "action", "resource", "outcome", "details"}) {
    expect_broken_by(fmt::format("UPDATE audit SET {} = 'x' WHERE n = 2", column).c_str());
  }
  expect_broken_by("UPDATE audit SET at_us = 7 WHERE n = 2");
  expect_broken_by("DELETE FROM audit WHERE n = 1");
  expect_broken_by("DELETE FROM audit WHERE n = 3");
  expect_broken_by("DELETE FROM audit WHERE n = 2; UPDATE audit SET n = n - 1 WHERE n > 2");
  expect_broken_by("UPDATE audit SET n = 9 WHERE n = 2; UPDATE audit SET n = 2 WHERE n = 3;"
                   "UPDATE audit SET n = 3 WHERE n = 9");
  expect_broken_by("INSERT INTO audit SELECT writer, epoch, 6, at_us, tenant, actor, action, "
                   "resource, outcome, details, prev_hash, hash FROM audit WHERE n = 5");
  expect_broken_by("UPDATE audit SET writer = 'b' WHERE n > 2");
  expect_broken_by("UPDATE audit SET epoch = 2");
}

TEST_F(AuditTest, BytesThatAStoreRefusesAreWrittenVisibly) {
  const std::string nul("a\0b", 3);
  ASSERT_TRUE(write_audit(*db_, {"a", 1}, head_,
                          {.at_us = 6, .user = nul, .action = "authenticate",
                           .resource = "/keys#\xff\xe2\x82 \xea\xb0\x80\xea\xb0"}).ok());
  const AuditRecord record = read_audit(*db_, {}).value().front().record;
  EXPECT_EQ(record.user, "a\\x00b");
  EXPECT_EQ(record.resource, "/keys#\\xff\\xe2\\x82 \xea\xb0\x80\\xea\\xb0");
  EXPECT_EQ(verify_audit(*db_, {}).value(), 6);
}

TEST_F(AuditTest, ListsByWhoWhatAndWhen) {
  EXPECT_EQ(read_audit(*db_, {}).value().size(), 5U);
  EXPECT_EQ(read_audit(*db_, {}).value().front().record.resource, "r5");
  EXPECT_EQ(read_audit(*db_, {.tenant = "acme"}).value().size(), 3U);
  EXPECT_EQ(read_audit(*db_, {.tenant = ""}).value().size(), 2U);
  EXPECT_EQ(read_audit(*db_, {.action = "keys:manage"}).value().size(), 1U);
  EXPECT_EQ(read_audit(*db_, {.user = "bob"}).value().size(), 0U);
  EXPECT_EQ(read_audit(*db_, {.from_us = 2, .to_us = 4}).value().size(), 3U);
  AuditQuery query{.limit = 2};
  std::vector<std::string> seen;
  for (int page = 0; page < 4; ++page) {
    const auto rows = read_audit(*db_, query).value();
    for (const AuditRow& row : rows) seen.push_back(row.record.resource);
    if (rows.empty()) break;
    query.before = cursor_of(rows.back());
  }
  EXPECT_THAT(seen, testing::ElementsAre("r5", "r4", "r3", "r2", "r1"));
  for (const char* wrong : {"x", "1.2.3", "1.a.b.c", "9999999999999999999.a.1.1"}) {
    EXPECT_FALSE(read_audit(*db_, {.before = wrong}).ok()) << wrong;
  }
}

TEST_F(AuditTest, CheckpointsAreChainedAndSigned) {
  const std::string hash(head_.hash());
  ASSERT_TRUE(append(10, {{"audit", "a", 1, 3, hash}}).ok());
  ASSERT_TRUE(append(20, {{"audit", "a", 1, 5, hash}, {"event", "a", 1, 9, hash}}).ok());
  ASSERT_TRUE(append(30, {}).ok());
  const std::string good = text();
  const auto read = read_checkpoints(good, "");
  ASSERT_TRUE(read.ok()) << read.error().text();
  EXPECT_EQ(read->lines, 3);
  EXPECT_EQ(read->newest_us, 30);
  EXPECT_EQ(read->chains.at({"audit", "a", 1}).size(), 2U);
  EXPECT_TRUE(read_checkpoints(good, public_key(seed_)).ok());
  EXPECT_EQ(read_checkpoints(good, public_key(Secret::random())).error().code, "E0766");
  for (size_t at = 0; at + 1 < good.size(); ++at) {  // any byte that is another one
    std::string bad = good;
    bad[at] = bad[at] == '3' ? '4' : '3';
    EXPECT_FALSE(read_checkpoints(bad, public_key(seed_)).ok()) << at;
  }
  const size_t second = good.find('\n') + 1;
  const size_t third = good.find('\n', second) + 1;
  EXPECT_FALSE(read_checkpoints(good.substr(second), "").ok());
  EXPECT_FALSE(read_checkpoints(good.substr(0, second) + good.substr(third), "").ok());
  EXPECT_EQ(read_checkpoints(good.substr(0, third), "").value().lines, 2);  // only the tail hides
  EXPECT_EQ(read_checkpoints("", "").value().lines, 0);
}

TEST_F(AuditTest, ALineCutOffByACrashIsWrittenAnew) {
  ASSERT_TRUE(append(10, {{"audit", "a", 1, 1, std::string(head_.hash())}}).ok());
  std::ofstream(file_, std::ios::app) << R"({"n":2,"at_us":1)";
  EXPECT_EQ(read_checkpoints(text(), "").value().lines, 1);
  ASSERT_TRUE(append(20, {}).ok());
  EXPECT_EQ(read_checkpoints(text(), "").value().lines, 2);
  std::ofstream(file_, std::ios::app) << "rubbish\n";
  EXPECT_EQ(append(30, {}).error().code, "E0766");
}

TEST(Instant, AsPeopleWriteThem) {
  EXPECT_EQ(instant_of("1970-01-02"), 86'400'000'000);
  EXPECT_EQ(instant_of("1970-01-01T00:01Z"), 60'000'000);
  EXPECT_EQ(instant_of("1970-01-01T00:00:01Z"), 1'000'000);
  EXPECT_EQ(instant_of("1970-01-01 00:00:01.25"), 1'250'000);
  for (const char* wrong : {"", "1970", "1970-02-31", "1970-01-01T25:00", "1970-01-01T1",
                            "1970-01-01x00:00", "soon", "1970-01-01T00:00:00.1234567"}) {
    EXPECT_FALSE(instant_of(wrong).has_value()) << wrong;
  }
}

}  // namespace
}  // namespace weft::security
