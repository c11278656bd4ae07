// SPDX-License-Identifier: Apache-2.0
//
// Sealed stores: what opens, and everything that must not.
#include "security/sealed_db.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <random>
#include <thread>

#include "security/data_keys.h"
#include "store/postgres.h"
#include "store/postgres_cluster.h"
#include "store/sealer.h"
#include "store/sqlite.h"

namespace weft::security {
namespace {

using store::Form;
using store::Place;

constexpr store::Migration kSealedTables[] = {{1, "test", R"sql(
CREATE TABLE data_key (id TEXT PRIMARY KEY, tenant TEXT NOT NULL, version BIGINT NOT NULL,
  master TEXT NOT NULL, wrapped BYTEA NOT NULL, created_us BIGINT NOT NULL,
  UNIQUE (tenant, version));
CREATE TABLE run (id TEXT PRIMARY KEY, tenant TEXT NOT NULL);
CREATE TABLE note (run TEXT NOT NULL, n BIGINT NOT NULL, body TEXT NOT NULL,
  bytes BYTEA NOT NULL, PRIMARY KEY (run, n));
INSERT INTO run (id, tenant) VALUES ('run_a', 'acme');
INSERT INTO run (id, tenant) VALUES ('run_b', 'bolt');
)sql"}};

std::string hex_key(char digit) { return std::string(64, digit); }

Place note_at(std::string_view run, int64_t n) { return {"note.body", {run}, {n}, run}; }

class SealedDbTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::temp_directory_path() /
                 ("weft-sealed-" + std::to_string(::getpid()) + random_text(6));
    std::filesystem::create_directories(directory_);
    url_ = (directory_ / "store.db").string();
    plain_ = driver();
    ASSERT_TRUE(store::migrate(*plain_, kSealedTables).ok());
  }
  void TearDown() override {
    plain_.reset();
    std::filesystem::remove_all(directory_);
  }
  std::unique_ptr<store::Db> driver() const {
    return store::is_postgres_url(url_) ? store::open_postgres({.url = url_}).value()
                                        : store::open_sqlite({.path = url_}).value();
  }
  Result<std::unique_ptr<store::Db>> open(MasterKeySource source, int64_t refresh_ms = 60'000) {
    return open_sealed(driver(), {.master = std::move(source),
                                  .tenant_of_run = "SELECT tenant FROM run WHERE id = $1",
                                  .refresh_ms = refresh_ms});
  }
  MasterKeySource source() {
    return [this]() -> Result<std::string> { return master_; };
  }
  std::unique_ptr<store::Db> sealed(int64_t refresh_ms = 60'000) {
    return open(source(), refresh_ms).value();
  }
  static std::string keep(store::Db& db, const Place& place, std::string_view text,
                          Form form = Form::kText) {
    return std::string(store::kept(db, place, text, form).value().bytes());
  }
  // Each in a thread of its own, as processes would; to be joined.
  std::vector<std::thread> keep_at_once(std::vector<std::string>& stored) {
    std::vector<std::thread> threads;
    for (std::string& out : stored) {
      threads.emplace_back([this, &out] {
        const auto db = sealed();
        store::Tx tx = store::Tx::begin(*db).value();
        out = keep(*db, note_at("run_a", 1), "shared");
        CHECK(tx.commit().ok(), "commit");
      });
    }
    return threads;
  }
  static std::string code_of(store::Db& db, const Place& place, const std::string& stored) {
    const auto opened = store::opened(db, place, stored);
    return opened.ok() ? "opened" : opened.error().code;
  }
  int64_t count(const char* sql) {
    auto rows = plain_->query(sql, {}).value();
    EXPECT_TRUE(rows->next().value());
    return rows->int64(0);
  }

  std::filesystem::path directory_;
  std::string url_;
  std::string master_ = hex_key('1');
  std::unique_ptr<store::Db> plain_;
};

TEST_F(SealedDbTest, a_value_comes_back_and_shows_nothing_of_itself) {
  const auto db = sealed();
  std::mt19937_64 random(7);
  const auto other = sealed();
  for (int round = 0; round < 400; ++round) {
    std::string text(random() % 300, '\0');
    for (char& c : text) c = static_cast<char>(random());
    text = "plain-" + text;
    const Form form = round % 2 == 0 ? Form::kText : Form::kBlob;
    const Place place = note_at(round % 3 == 0 ? "run_a" : "run_b", round);
    const std::string stored = keep(*db, place, text, form);
    EXPECT_TRUE(store::is_sealed(stored));
    EXPECT_EQ(stored.find("plain-"), stored.npos);
    EXPECT_NE(stored, keep(*db, place, text, form)) << "nonces differ";
    EXPECT_EQ(store::opened(*other, place, stored).value(), text);
  }
}

TEST_F(SealedDbTest, an_empty_value_is_none_and_ten_megabytes_are_one) {
  const auto db = sealed();
  EXPECT_EQ(keep(*db, note_at("run_a", 1), ""), "");
  EXPECT_EQ(store::opened(*db, note_at("run_a", 1), "").value(), "");
  const std::string nothing = db->sealer()->seal(note_at("run_a", 1), Form::kText, "").value();
  EXPECT_EQ(store::opened(*db, note_at("run_a", 1), nothing).value(), "");
  const std::string much(10'000'000, 'x');
  for (const Form form : {Form::kText, Form::kBlob}) {
    const std::string stored = keep(*db, note_at("run_a", 2), much, form);
    EXPECT_EQ(store::opened(*db, note_at("run_a", 2), stored).value(), much);
  }
}

TEST_F(SealedDbTest, every_changed_byte_is_found) {
  const auto db = sealed();
  const Place place = note_at("run_a", 1);
  for (const Form form : {Form::kText, Form::kBlob}) {
    const std::string stored = keep(*db, place, "a secret of 20 bytes", form);
    const size_t prefix = form == Form::kText ? store::kSealedText.size()
                                              : store::kSealedBlob.size();
    for (size_t at = prefix; at < stored.size(); ++at) {
      std::string changed = stored;
      changed[at] = static_cast<char>(changed[at] ^ 1);
      EXPECT_EQ(code_of(*db, place, changed), "E0510") << at;
    }
    for (size_t size = prefix; size < stored.size(); ++size) {
      EXPECT_EQ(code_of(*db, place, stored.substr(0, size)), "E0510") << size;
    }
  }
}

TEST_F(SealedDbTest, a_value_opens_nowhere_else) {
  const auto db = sealed();
  const std::string stored = keep(*db, note_at("run_a", 1), "mine");
  EXPECT_EQ(code_of(*db, note_at("run_a", 1), stored), "opened");
  EXPECT_EQ(code_of(*db, note_at("run_a", 2), stored), "E0510");
  EXPECT_EQ(code_of(*db, note_at("run_b", 1), stored), "E0510");
  EXPECT_EQ(code_of(*db, {"note.bytes", {"run_a"}, {1}}, stored), "E0510");
  EXPECT_EQ(code_of(*db, {"note.body", {"run_", "a"}, {1}}, stored), "E0510");
  EXPECT_EQ(code_of(*db, {"note.body", {"run_a"}, {0, 1}}, stored), "E0510");
  // under the key of another tenant: the id in its head is part of what must fit
  const std::string theirs = keep(*db, note_at("run_b", 1), "theirs");
  std::string grafted = stored;
  grafted.replace(0, store::kSealedText.size() + 16, theirs, 0, store::kSealedText.size() + 16);
  EXPECT_EQ(code_of(*db, note_at("run_a", 1), grafted), "E0510");
}

TEST_F(SealedDbTest, tenants_have_keys_of_their_own) {
  const auto db = sealed();
  keep(*db, note_at("run_a", 1), "x");
  keep(*db, note_at("run_b", 1), "x");
  keep(*db, {"note.body", {"none"}, {1}, "run_unknown"}, "x");
  EXPECT_EQ(count("SELECT count(*) FROM data_key"), 3);
  EXPECT_EQ(count("SELECT count(DISTINCT tenant) FROM data_key"), 3);
}

TEST_F(SealedDbTest, old_plain_values_stay_readable) {
  const auto db = sealed();
  EXPECT_EQ(store::opened(*db, note_at("run_a", 1), "{\"old\": 1}").value(), "{\"old\": 1}");
}

TEST_F(SealedDbTest, without_a_key_nothing_changes_and_a_sealed_store_refuses) {
  EXPECT_TRUE(check_plain(*plain_).ok());
  EXPECT_EQ(plain_->sealer(), nullptr);
  const std::string text = "as it is";
  const auto kept = store::kept(*plain_, note_at("run_a", 1), text).value();
  EXPECT_EQ(kept.bytes().data(), text.data()) << "not even a copy";
  EXPECT_EQ(count("SELECT count(*) FROM data_key"), 0);
  const std::string stored = keep(*sealed(), note_at("run_a", 1), "x");
  EXPECT_EQ(check_plain(*plain_).error().code, "E0508");
  EXPECT_EQ(code_of(*plain_, note_at("run_a", 1), stored), "E0508");
}

TEST_F(SealedDbTest, a_wrong_key_is_refused_at_the_door) {
  sealed();
  master_ = hex_key('2');
  EXPECT_EQ(open(source()).error().code, "E0509");
  for (const std::string& bad : std::vector<std::string>{"", "# nothing\n", "12", "x"}) {
    master_ = bad;
    const auto refused = open(source());
    EXPECT_EQ(refused.error().code, "E0511") << bad;
  }
  EXPECT_EQ(open([]() -> Result<std::string> { return make_error("E0511", "gone"); }).error().code,
            "E0511");
}

TEST_F(SealedDbTest, a_changed_row_of_a_data_key_does_not_open) {
  sealed();
  for (const char* sql : {"UPDATE data_key SET tenant = 'acme'", "UPDATE data_key SET id = 'x'",
                          "UPDATE data_key SET version = 7", "UPDATE data_key SET wrapped = ''"}) {
    ASSERT_TRUE(plain_->begin().ok());
    ASSERT_TRUE(plain_->script(sql).ok());
    const auto rows = list_data_keys(*plain_).value();
    EXPECT_EQ(unwrap(MasterKeys::parse(master_).value(), rows[0]).error().code, "E0510") << sql;
    plain_->rollback();
  }
}

// A wrong master key is everybody's trouble, a damaged row that of its tenant.
TEST_F(SealedDbTest, a_row_that_names_another_master_key_than_the_store_is_damaged) {
  const std::string stored = keep(*sealed(), note_at("run_a", 1), "text");
  ASSERT_TRUE(plain_->script("UPDATE data_key SET master = '0123456789abcdef' "
                             "WHERE tenant = 'acme'").ok());
  const auto db = sealed();
  EXPECT_EQ(code_of(*db, note_at("run_a", 1), stored), "E0510");
  EXPECT_EQ(store::kept(*db, note_at("run_a", 2), "more").error().code, "E0510");
  EXPECT_TRUE(store::kept(*db, note_at("run_b", 1), "others").ok());
  ASSERT_TRUE(plain_->script("UPDATE data_key SET master = '0123456789abcdef'").ok());
  EXPECT_EQ(store::kept(*db, note_at("run_a", 2), "more").error().code, "E0509");
}

TEST_F(SealedDbTest, the_master_key_is_exchanged_while_others_go_on) {
  const auto old_process = sealed();
  const std::string stored = keep(*old_process, note_at("run_a", 1), "before");
  master_ = hex_key('2') + "  # new\n" + hex_key('1') + "\n";
  const auto masters = MasterKeys::parse(master_).value();
  const Rewrapped done = rewrap_data_keys(*plain_, masters, false).value();
  EXPECT_EQ(done.keys, 2);
  EXPECT_EQ(rewrap_data_keys(*plain_, masters, false).value().already, 2);
  // what it has in memory, a tenant that it has not met, and what others write from now on
  EXPECT_EQ(store::opened(*old_process, note_at("run_a", 1), stored).value(), "before");
  const std::string fresh = keep(*old_process, note_at("run_b", 1), "after");
  master_ = hex_key('2');
  const auto new_process = sealed();
  EXPECT_EQ(store::opened(*new_process, note_at("run_a", 1), stored).value(), "before");
  EXPECT_EQ(store::opened(*new_process, note_at("run_b", 1), fresh).value(), "after");
  master_ = hex_key('1');
  EXPECT_EQ(open(source()).error().code, "E0509");
}

TEST_F(SealedDbTest, a_process_without_the_new_master_key_makes_no_key_that_others_lack) {
  const auto old_process = sealed();
  const auto masters = MasterKeys::parse(hex_key('2') + "\n" + hex_key('1')).value();
  ASSERT_TRUE(rewrap_data_keys(*plain_, masters, false).ok());
  const auto kept = store::kept(*old_process, note_at("run_a", 1), "x");
  EXPECT_EQ(kept.error().code, "E0509");
  EXPECT_EQ(count("SELECT count(*) FROM data_key"), 1);
}

TEST_F(SealedDbTest, new_versions_seal_and_old_ones_open) {
  const auto db = sealed(0);
  const auto other = sealed();
  const std::string first = keep(*db, note_at("run_a", 1), "one");
  EXPECT_EQ(keep(*other, note_at("run_a", 1), "one").substr(0, 30), first.substr(0, 30));
  const auto masters = MasterKeys::parse(master_).value();
  EXPECT_EQ(rewrap_data_keys(*plain_, masters, true).value().fresh, 2);
  const std::string second = keep(*db, note_at("run_a", 1), "two");
  EXPECT_NE(second.substr(0, 30), first.substr(0, 30)) << "another data key";
  EXPECT_EQ(store::opened(*other, note_at("run_a", 1), first).value(), "one");
  EXPECT_EQ(store::opened(*other, note_at("run_a", 1), second).value(), "two");
  EXPECT_EQ(count("SELECT max(version) FROM data_key WHERE tenant = 'acme'"), 2);
}

// A key that was made in a transaction which did not commit must seal nothing that does.
TEST_F(SealedDbTest, a_key_goes_with_its_transaction) {
  const auto db = sealed();
  {
    store::Tx tx = store::Tx::begin(*db).value();
    keep(*db, note_at("run_a", 1), "gone");
  }
  EXPECT_EQ(count("SELECT count(*) FROM data_key WHERE tenant = 'acme'"), 0);
  store::Tx tx = store::Tx::begin(*db).value();
  const std::string stored = keep(*db, note_at("run_a", 1), "there");
  ASSERT_TRUE(tx.commit().ok());
  EXPECT_EQ(count("SELECT count(*) FROM data_key WHERE tenant = 'acme'"), 1);
  EXPECT_EQ(store::opened(*sealed(), note_at("run_a", 1), stored).value(), "there");
}

TEST_F(SealedDbTest, many_processes_agree_on_one_key) {
  std::vector<std::string> stored(8);
  std::vector<std::thread> threads = keep_at_once(stored);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count("SELECT count(*) FROM data_key"), 2);
  const auto db = sealed();
  for (const std::string& each : stored) {
    EXPECT_EQ(store::opened(*db, note_at("run_a", 1), each).value(), "shared");
  }
}

// The same on PostgreSQL: where writers run side by side.
class SealedPostgres : public SealedDbTest {
 protected:
  static void SetUpTestSuite() { cluster_ = store::PostgresCluster::start().release(); }
  static void TearDownTestSuite() { delete cluster_; }
  void SetUp() override {
    if (cluster_ == nullptr) GTEST_SKIP() << "SKIPPED: no PostgreSQL server is installed";
    url_ = cluster_->new_database();
    plain_ = driver();
    ASSERT_TRUE(store::migrate(*plain_, kSealedTables).ok());
  }
  void TearDown() override { plain_.reset(); }
  static store::PostgresCluster* cluster_;
};
store::PostgresCluster* SealedPostgres::cluster_ = nullptr;

TEST_F(SealedPostgres, a_value_comes_back_through_its_columns) {
  const auto db = sealed();
  std::string bytes(600, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i);
  const Place text_place = note_at("run_a", 1);
  const Place blob_place{"note.bytes", {"run_a"}, {1}, "run_a"};
  store::Tx tx = store::Tx::begin(*db).value();
  const auto text = store::kept(*db, text_place, bytes).value();
  const auto blob = store::kept(*db, blob_place, bytes, Form::kBlob).value();
  ASSERT_TRUE(db->post("INSERT INTO note (run, n, body, bytes) VALUES ($1, $2, $3, $4)",
                       {"run_a", 1, text.value(), blob.blob()}).ok());
  ASSERT_TRUE(tx.commit().ok());
  auto rows = plain_->query("SELECT body, bytes FROM note", {}).value();
  ASSERT_TRUE(rows->next().value());
  EXPECT_EQ(store::opened(*db, text_place, rows->text(0)).value(), bytes);
  EXPECT_EQ(store::opened(*db, blob_place, rows->blob(1)).value(), bytes);
}

TEST_F(SealedPostgres, many_processes_agree_on_one_key) {
  std::vector<std::string> stored(8);
  std::vector<std::thread> threads = keep_at_once(stored);
  const auto masters = MasterKeys::parse(hex_key('2') + "\n" + hex_key('1')).value();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(rewrap_data_keys(*plain_, masters, true).value().keys, 2);
  master_ = hex_key('2');
  const auto db = sealed();
  for (const std::string& each : stored) {
    EXPECT_EQ(store::opened(*db, note_at("run_a", 1), each).value(), "shared");
  }
}

}  // namespace
}  // namespace weft::security
