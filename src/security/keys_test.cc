// SPDX-License-Identifier: Apache-2.0
#include "security/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "security/limiter.h"
#include "store/sqlite.h"

namespace weft::security {
namespace {

constexpr store::Migration kTables[] = {{1, "keys", R"sql(
CREATE TABLE api_key (
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, name TEXT NOT NULL, hash BYTEA NOT NULL,
  roles TEXT NOT NULL, scopes TEXT NOT NULL, requests_per_minute BIGINT NOT NULL,
  tokens_per_minute BIGINT NOT NULL, created_us BIGINT NOT NULL, created_by TEXT NOT NULL,
  expires_us BIGINT, revoked_us BIGINT, changed_us BIGINT NOT NULL);
)sql"}};

class KeysTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::temp_directory_path() /
                 ("weft-keys-" + std::to_string(::getpid()) + random_text(6));
    std::filesystem::create_directories(directory_);
    db_ = store::open_sqlite({.path = (directory_ / "store.db").string()}).value();
    ASSERT_TRUE(store::migrate(*db_, kTables).ok());
  }
  void TearDown() override {
    db_.reset();
    std::filesystem::remove_all(directory_);
  }
  KeyRing ring() const {
    KeyRing out(pepper_);
    out.set(list_keys(*db_, std::nullopt).value());
    return out;
  }
  int64_t now() const { return db_->now_ms().value() * 1000; }

  std::filesystem::path directory_;
  std::unique_ptr<store::Db> db_;
  const Secret pepper_ = Secret::derived("pepper of the test");
};

TEST_F(KeysTest, AKeyIsShownOnceAndFoundByItsText) {
  const auto made = create_key(*db_, pepper_, {.name = "ci", .tenant = "acme",
                                               .roles = {"operator", "boss"},
                                               .scopes = {"runs:execute:t-*", "runs:read"},
                                               .requests_per_minute = 60, .by = "root"});
  ASSERT_TRUE(made.ok()) << made.error().text();
  EXPECT_EQ(made->text.size(), 5U + 12 + 1 + 52);
  EXPECT_EQ(key_id(made->text), made->key.id);
  const KeyRing keys = ring();
  const Key* found = keys.find(made->text, now());
  ASSERT_NE(found, nullptr);
  const Caller caller = caller_with(*found);
  EXPECT_EQ(caller.tenant, "acme");
  EXPECT_EQ(caller.name, "ci");
  EXPECT_THAT(caller.roles, testing::ElementsAre("operator", "boss"));
  EXPECT_TRUE(may(caller, "runs:execute", "t-1"));
  EXPECT_FALSE(may(caller, "runs:execute", "x"));
  EXPECT_EQ(found->requests_per_minute, 60);
  for (size_t at = 0; at < made->text.size(); at += 7) {  // one character off anywhere
    std::string other = made->text;
    other[at] = other[at] == '0' ? '1' : '0';
    EXPECT_EQ(keys.find(other, now()), nullptr) << other;
  }
  EXPECT_EQ(keys.find("", now()), nullptr);
  KeyRing peppered(Secret::derived("another pepper"));
  peppered.set(list_keys(*db_, std::nullopt).value());
  EXPECT_EQ(peppered.find(made->text, now()), nullptr);
}

TEST_F(KeysTest, TheStoreHoldsNoKey) {
  const auto made = create_key(*db_, pepper_, {.name = "a", .roles = {"admin"}}).value();
  db_.reset();
  std::string bytes;
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    std::ifstream file(entry.path(), std::ios::binary);
    bytes.append(std::istreambuf_iterator<char>(file), {});
  }
  EXPECT_NE(bytes.find(made.key.id), std::string::npos);
  EXPECT_EQ(bytes.find(made.text.substr(18)), std::string::npos);
}

TEST_F(KeysTest, RevokedAndExpiredKeysOpenNothing) {
  const auto a = create_key(*db_, pepper_, {.name = "a", .roles = {"viewer"}}).value();
  const auto b = create_key(*db_, pepper_, {.name = "b", .roles = {"viewer"},
                                            .lifetime_s = 60}).value();
  const std::string before = keys_version(*db_).value();
  EXPECT_NE(ring().find(b.text, now()), nullptr);
  EXPECT_EQ(ring().find(b.text, now() + 61'000'000), nullptr);
  ASSERT_TRUE(revoke_key(*db_, std::nullopt, a.key.id).ok());
  EXPECT_NE(keys_version(*db_).value(), before);
  EXPECT_EQ(ring().find(a.text, now()), nullptr);
  EXPECT_FALSE(ring().empty());  // a server with none but dead keys stays closed
  EXPECT_EQ(revoke_key(*db_, std::nullopt, "nobody").error().code, "E0767");
  EXPECT_EQ(revoke_key(*db_, "acme", b.key.id).error().code, "E0767");  // another tenant's
}

TEST_F(KeysTest, RotationGivesTheOldKeyAnEnd) {
  const auto old = create_key(*db_, pepper_, {.name = "a", .roles = {"viewer"},
                                              .scopes = {"runs:read"}}).value();
  const auto fresh = rotate_key(*db_, pepper_, std::nullopt, old.key.id, 3600, "root").value();
  EXPECT_NE(fresh.text, old.text);
  EXPECT_NE(ring().find(old.text, now()), nullptr);
  EXPECT_EQ(ring().find(old.text, now() + 3601LL * 1'000'000), nullptr);
  const KeyRing keys = ring();
  const Key* found = keys.find(fresh.text, now() + 3601LL * 1'000'000);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->scopes.size(), 1U);
}

TEST_F(KeysTest, BadRequestsAreNamed) {
  for (const KeyRequest& request : std::vector<KeyRequest>{
           {.name = "", .roles = {"viewer"}},
           {.name = "a", .roles = {}},
           {.name = "a", .roles = {"a,b"}},
           {.name = "a", .roles = {"admn"}},  // it would close the server, and open nothing
           {.name = "a", .roles = {"boss", "chief"}},
           {.name = "a", .tenant = "two words", .roles = {"viewer"}},
           {.name = "a", .tenant = "../other", .roles = {"viewer"}},
           {.name = "a", .tenant = "..", .roles = {"viewer"}},
           {.name = "a", .tenant = "a/b", .roles = {"viewer"}},
           {.name = "a", .roles = {"viewer"}, .scopes = {"everything"}},
           {.name = "a", .roles = {"viewer"}, .lifetime_s = -1},
           {.name = std::string(200, 'x'), .roles = {"viewer"}},
           {.name = "\xff", .roles = {"viewer"}}}) {
    const auto made = create_key(*db_, pepper_, request);
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().code, "E0763");
  }
  EXPECT_TRUE(ring().empty());
}

TEST_F(KeysTest, SecretFilesAreMadeOnceAndReadByNobodyElse) {
  const std::string path = (directory_ / "deep" / "pepper").string();
  EXPECT_EQ(secret_file(path, false).error().code, "E0764");
  const Secret made = secret_file(path, true).value();
  const Secret again = secret_file(path, true).value();
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(made.data()), 32),
            std::string_view(reinterpret_cast<const char*>(again.data()), 32));
  ::chmod(path.c_str(), 0644);
  EXPECT_THAT(secret_file(path, true).error().message, testing::HasSubstr("others"));
  std::ofstream(path) << "abc";
  ::chmod(path.c_str(), 0600);
  EXPECT_FALSE(secret_file(path, true).ok());
}

TEST(Crypto, SignaturesAndHashes) {
  const Secret seed = Secret::derived("seed");
  const std::string signature = sign(seed, "text");
  EXPECT_TRUE(signature_fits(public_key(seed), "text", signature));
  EXPECT_FALSE(signature_fits(public_key(seed), "texT", signature));
  EXPECT_FALSE(signature_fits(public_key(Secret::derived("s")), "text", signature));
  EXPECT_FALSE(signature_fits("", "text", signature));
  // RFC 4231, test case 2
  EXPECT_EQ(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_TRUE(equal("a", "a"));
  EXPECT_FALSE(equal("a", "b"));
  EXPECT_FALSE(equal("a", "ab"));
  EXPECT_FALSE(from_hex("abc").ok());
  EXPECT_FALSE(from_hex("zz").ok());
}

TEST(Limiter, FillsEvenlyAndForgetsTheIdle) {
  Limiter limiter;
  constexpr int64_t kSecondNs = 1'000'000'000;
  int64_t now = 0;
  for (int i = 0; i < 60; ++i) {
    ASSERT_EQ(limiter.wait_s("a", 60, now), 0) << i;
    limiter.take("a", 1, 60, now);
  }
  EXPECT_GE(limiter.wait_s("a", 60, now), 1);
  EXPECT_EQ(limiter.wait_s("b", 60, now), 0);
  now += kSecondNs + 1;
  EXPECT_EQ(limiter.wait_s("a", 60, now), 0);
  limiter.take("a", 120, 60, now);  // an answer that cost two minutes
  EXPECT_GE(limiter.wait_s("a", 60, now + 60 * kSecondNs), 1);
  EXPECT_EQ(limiter.wait_s("a", 60, now + 121 * kSecondNs), 0);
  for (int i = 0; i < 20'000; ++i) {
    (void)limiter.wait_s("name" + std::to_string(i), 60, now + i * kSecondNs);
  }
  EXPECT_LT(limiter.names(), 5'000U);
}

}  // namespace
}  // namespace weft::security
