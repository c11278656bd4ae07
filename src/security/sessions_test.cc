// SPDX-License-Identifier: Apache-2.0
#include "security/sessions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "security/crypto.h"
#include "store/sqlite.h"

namespace weft::security {
namespace {

constexpr store::Migration kSessionTables[] = {{1, "sessions", R"sql(
CREATE TABLE session (
  hash BYTEA PRIMARY KEY, key TEXT NOT NULL, person TEXT NOT NULL, created_us BIGINT NOT NULL,
  end_us BIGINT NOT NULL, ended_us BIGINT);
)sql"}};

class SessionsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::temp_directory_path() /
                 ("weft-sessions-" + std::to_string(::getpid()) + random_text(6));
    std::filesystem::create_directories(directory_);
    db_ = store::open_sqlite({.path = (directory_ / "store.db").string()}).value();
    ASSERT_TRUE(store::migrate(*db_, kSessionTables).ok());
  }
  void TearDown() override {
    db_.reset();
    std::filesystem::remove_all(directory_);
  }
  StoredSession session(char first, int64_t more_us) const {
    return {std::string(32, first), "k1", "", db_->now_ms().value() * 1000 + more_us};
  }

  std::filesystem::path directory_;
  std::unique_ptr<store::Db> db_;
};

TEST_F(SessionsTest, OneIsFoundUntilItIsOverOrSignedOut) {
  const StoredSession lives = session('a', 60'000'000), over = session('b', -1);
  ASSERT_TRUE(store_session(*db_, lives).ok());
  ASSERT_TRUE(store_session(*db_, over).ok());
  const auto found = find_session(*db_, lives.hash).value();
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->key, "k1");
  EXPECT_EQ(found->end_us, lives.end_us);
  EXPECT_FALSE(find_session(*db_, over.hash).value().has_value());
  EXPECT_FALSE(find_session(*db_, std::string(32, 'c')).value().has_value());
  EXPECT_TRUE(ended_sessions(*db_, 60'000'000).value().empty());
  ASSERT_TRUE(end_session(*db_, lives.hash).ok());
  EXPECT_FALSE(find_session(*db_, lives.hash).value().has_value());
  EXPECT_THAT(ended_sessions(*db_, 60'000'000).value(), testing::ElementsAre(lives.hash));
  EXPECT_TRUE(ended_sessions(*db_, -1'000'000).value().empty());
}

TEST_F(SessionsTest, WhatIsOverGoesWhenTheNextComes) {
  ASSERT_TRUE(store_session(*db_, session('a', -1)).ok());
  ASSERT_TRUE(store_session(*db_, session('b', 60'000'000)).ok());
  auto rows = db_->query("SELECT count(*) FROM session", {}).value();
  ASSERT_TRUE(rows->next().value());
  EXPECT_EQ(rows->int64(0), 1);
}

TEST(Sessions, APersonIsOneUnderTheSameRulesOnly) {
  Caller ada;
  ada.name = "ada@example.com";
  ada.tenant = "acme";
  ada.key = "oidc:ada";
  ada.roles = {"admin", "boss"};
  const std::string text = person_text(ada, "rules 1");
  const auto again = person_of(text, "rules 1");
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->name, ada.name);
  EXPECT_EQ(again->tenant, ada.tenant);
  EXPECT_EQ(again->key, ada.key);
  EXPECT_EQ(again->roles, ada.roles);
  EXPECT_FALSE(again->everything);
  EXPECT_FALSE(person_of(text, "rules 2").has_value());
  for (const char* wrong : {"", "{}", "[]", R"({"rules":"rules 1","roles":["admin"]})"}) {
    EXPECT_FALSE(person_of(wrong, "rules 1").has_value()) << wrong;
  }
}

}  // namespace
}  // namespace weft::security
