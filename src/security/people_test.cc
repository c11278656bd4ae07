// SPDX-License-Identifier: Apache-2.0
#include "security/people.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "security/crypto.h"
#include "security/sessions.h"
#include "store/sqlite.h"

namespace weft::security {
namespace {

constexpr store::Migration kPeopleTables[] = {{1, "people", R"sql(
CREATE TABLE session (
  hash BYTEA PRIMARY KEY, key TEXT NOT NULL, person TEXT NOT NULL, created_us BIGINT NOT NULL,
  end_us BIGINT NOT NULL, ended_us BIGINT);
CREATE TABLE person (
  id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL, roles TEXT NOT NULL,
  hash TEXT NOT NULL, created_us BIGINT NOT NULL, created_by TEXT NOT NULL,
  changed_us BIGINT NOT NULL);
)sql"}};
constexpr const char* kPassword = "correct horse battery";

class PeopleTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::temp_directory_path() /
                 ("weft-people-" + std::to_string(::getpid()) + random_text(6));
    std::filesystem::create_directories(directory_);
    db_ = store::open_sqlite({.path = (directory_ / "store.db").string()}).value();
    ASSERT_TRUE(store::migrate(*db_, kPeopleTables).ok());
  }
  void TearDown() override {
    db_.reset();
    std::filesystem::remove_all(directory_);
  }
  PersonRequest ada(std::string password = kPassword) const {
    return {.name = "ada", .tenant = "acme", .roles = {"operator", "boss"},
            .password = std::move(password), .by = "test"};
  }

  std::filesystem::path directory_;
  std::unique_ptr<store::Db> db_;
};

TEST(Passwords, AreHashedByArgon2idWithASaltEach) {
  const std::string one = password_hash(kPassword), two = password_hash(kPassword);
  EXPECT_TRUE(one.starts_with("$argon2id$v=19$m=65536,t=2,p=1$")) << one;
  EXPECT_NE(one, two);
  EXPECT_TRUE(password_fits(one, kPassword));
  EXPECT_TRUE(password_fits(two, kPassword));
  EXPECT_FALSE(password_fits(one, "correct horse batterY"));
  EXPECT_FALSE(password_fits("", kPassword));
  EXPECT_FALSE(password_fits("$argon2id$", ""));
}

TEST_F(PeopleTest, OneIsFoundByNameAndCallsAsThemselves) {
  EXPECT_FALSE(has_people(*db_).value());
  const Person made = add_person(*db_, ada()).value();
  EXPECT_TRUE(has_people(*db_).value());
  const auto found = find_person(*db_, "ada").value();
  ASSERT_TRUE(found.has_value());
  EXPECT_TRUE(password_fits(found->hash, kPassword));
  const Caller caller = caller_of(*found);
  EXPECT_EQ(caller.key, "user:" + made.id);
  EXPECT_EQ(caller.tenant, "acme");
  EXPECT_THAT(caller.roles, testing::ElementsAre("operator", "boss"));
  EXPECT_FALSE(caller.everything);
  EXPECT_FALSE(find_person(*db_, "Ada").value().has_value());
  EXPECT_EQ(add_person(*db_, ada()).error().code, "E0769");  // taken
  EXPECT_EQ(json::dump(to_json(list_people(*db_).value().at(0))).find("argon2"),
            std::string::npos);
}

TEST_F(PeopleTest, WhatWillNotDoIsRefused) {
  for (const std::string& password : {std::string("short"), std::string(11, 'x'), std::string(),
                                      std::string(2000, 'x')}) {
    EXPECT_EQ(add_person(*db_, ada(password)).error().code, "E0769") << password.size();
  }
  PersonRequest request = ada("a name for Ada");
  request.name = "a name for Ada";
  EXPECT_EQ(add_person(*db_, request).error().code, "E0769");
  for (const char* name : {"", "a\nb", "\xff"}) {
    request = ada();
    request.name = name;
    EXPECT_EQ(add_person(*db_, request).error().code, "E0769") << name;
  }
  request = ada();
  request.roles.clear();
  EXPECT_EQ(add_person(*db_, request).error().code, "E0769");
  EXPECT_FALSE(has_people(*db_).value());
  EXPECT_EQ(set_password(*db_, "ada", kPassword).error().code, "E0767");
  EXPECT_EQ(remove_person(*db_, "ada").error().code, "E0767");
}

TEST_F(PeopleTest, ANewPasswordAndARemovalEndTheSessions) {
  const Person person = add_person(*db_, ada()).value();
  const int64_t later = db_->now_ms().value() * 1000 + 60'000'000;
  const std::string key = "user:" + person.id;
  ASSERT_TRUE(store_session(*db_, {std::string(32, 'a'), key, "{}", later}).ok());
  ASSERT_TRUE(store_session(*db_, {std::string(32, 'b'), "other", "", later}).ok());
  ASSERT_TRUE(set_password(*db_, "ada", "another horse battery").ok());
  EXPECT_FALSE(find_session(*db_, std::string(32, 'a')).value().has_value());
  EXPECT_TRUE(find_session(*db_, std::string(32, 'b')).value().has_value());
  EXPECT_FALSE(password_fits(find_person(*db_, "ada").value()->hash, kPassword));
  ASSERT_TRUE(store_session(*db_, {std::string(32, 'c'), key, "{}", later}).ok());
  ASSERT_TRUE(remove_person(*db_, "ada").ok());
  EXPECT_FALSE(find_session(*db_, std::string(32, 'c')).value().has_value());
  EXPECT_FALSE(has_people(*db_).value());
}

}  // namespace
}  // namespace weft::security
