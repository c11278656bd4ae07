// SPDX-License-Identifier: Apache-2.0
#include "security/sealed_db.h"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/base64.h"
#include "base/env.h"
#include "base/strings.h"
#include "security/data_keys.h"
#include "store/sealer.h"

namespace weft::security {
namespace {

using store::Form;
using store::Place;

constexpr size_t kKeyIdBytes = 16;
constexpr size_t kTenantsOfRunsMax = 16'384;
constexpr int64_t kNsPerMs = 1'000'000;

void add_length(std::string& out, uint64_t number) {
  for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>(number >> shift & 0xff);
}

// What binds a value to where it stands; see the head of the header.
std::string beside_value(std::string_view tenant, const Place& place) {
  std::string out = "weft value 1";
  for (const std::string_view text :
       {tenant, place.column, place.key[0], place.key[1], place.key[2]}) {
    add_length(out, text.size());
    out += text;
  }
  for (const int64_t number : place.numbers) add_length(out, static_cast<uint64_t>(number));
  return out;
}

struct SealedParts {
  std::string_view key;  // id
  std::string bytes;     // nonce, ciphertext, tag
};
std::optional<SealedParts> parts_of(std::string_view stored) {
  if (stored.starts_with(store::kSealedBlob)) {
    stored.remove_prefix(store::kSealedBlob.size());
    if (stored.size() < kKeyIdBytes) return std::nullopt;
    return SealedParts{stored.substr(0, kKeyIdBytes), std::string(stored.substr(kKeyIdBytes))};
  }
  stored.remove_prefix(store::kSealedText.size());
  if (stored.size() <= kKeyIdBytes || stored[kKeyIdBytes] != ':') return std::nullopt;
  auto bytes = from_base64(stored.substr(kKeyIdBytes + 1));
  if (!bytes) return std::nullopt;
  return SealedParts{stored.substr(0, kKeyIdBytes), std::move(*bytes)};
}

Error unopened(const Place& place, std::string_view why) {
  std::string where(place.column);
  for (const std::string_view text : place.key) {
    if (!text.empty()) where += fmt::format(" {}", quoted(text));
  }
  if (place.numbers[0] != 0) where += fmt::format(" {}", place.numbers[0]);
  return make_error("E0510", fmt::format("{} does not open: {}", where, why),
                    "it was changed or moved after it was written; `weft audit verify` tells more");
}

Error unlike_the_store(const WrappedKey& row, const WrappedKey& first) {
  return make_error("E0510",
                    fmt::format("data key {} of tenant {} names master key {}, the store's own {}",
                                row.id, quoted(row.tenant), quoted(row.master), first.master),
                    "its row was changed after it was written: restore table data_key");
}

class SealedDb final : public store::Db, public store::Sealer {
 public:
  SealedDb(std::unique_ptr<store::Db> db, SealedDbOptions options, MasterKeys masters)
      : db_(std::move(db)), options_(std::move(options)), masters_(std::move(masters)) {}

  Status start();
  store::Sealer* sealer() override { return this; }

  using Db::post;
  using Db::query;
  using Db::run;
  Result<int64_t> run(std::string_view sql, store::Values values) override {
    return db_->run(sql, values);
  }
  Status post(std::string_view sql, store::Values values) override {
    return db_->post(sql, values);
  }
  Result<std::unique_ptr<store::Rows>> query(std::string_view sql,
                                             store::Values values) override {
    return db_->query(sql, values);
  }
  Status script(std::string_view sql) override { return db_->script(sql); }
  Status begin() override {
    CHECK(unproven_.empty(), "a transaction inside another");
    TRY(db_->begin());
    in_transaction_ = true;
    return ok_status();
  }
  Status begin_reading() override { return db_->begin_reading(); }
  Status commit() override {
    const Status done = db_->commit();
    in_transaction_ = false;
    if (done.ok()) {
      unproven_.clear();
    } else {
      forget_unproven();
    }
    return done;
  }
  void rollback() override {
    db_->rollback();
    in_transaction_ = false;
    forget_unproven();
  }
  Result<bool> write_back() override { return db_->write_back(); }
  Result<bool> rewrite(std::span<const std::string_view> tables) override {
    return db_->rewrite(tables);
  }
  Result<int64_t> now_ms() override { return db_->now_ms(); }
  std::string_view skip_locked() const override { return db_->skip_locked(); }
  Status hint() override { return db_->hint(); }
  void rest() override { db_->rest(); }
  std::string_view share_lock() const override { return db_->share_lock(); }

  Result<std::string> seal(const Place& place, Form form, std::string_view plain) override;
  Result<std::string> open(const Place& place, std::string_view stored) override;

 private:
  // The newest key of a tenant, as far as this connection knows, and since when.
  struct Newest {
    std::string id;
    int64_t since_ns = 0;
  };
  Result<std::string> tenant_of(const Place& place);
  Result<const DataKey*> key_of_tenant(const std::string& tenant);
  Result<const DataKey*> key_with_id(std::string_view id);
  Result<const DataKey*> take(const WrappedKey& row);
  Status know_master(std::string_view id);
  void forget_unproven();

  const std::unique_ptr<store::Db> db_;
  const SealedDbOptions options_;
  MasterKeys masters_;
  std::map<std::string, DataKey, std::less<>> keys_;  // by id
  std::map<std::string, Newest, std::less<>> newest_;  // by tenant
  std::unordered_map<std::string, std::string> tenants_;  // of runs
  bool in_transaction_ = false;
  // Made in the transaction under way: gone with it unless it commits.
  std::vector<WrappedKey> unproven_;
};

void SealedDb::forget_unproven() {
  for (const WrappedKey& row : unproven_) {
    keys_.erase(row.id);
    newest_.erase(row.tenant);
  }
  unproven_.clear();
}

// Another master key may have come since this process began: the source is read once more.
Status SealedDb::know_master(std::string_view id) {
  if (masters_.find(id) != nullptr) return ok_status();
  masters_ = TRY(MasterKeys::read(options_.master));
  return ok_status();
}

// All data keys are wrapped anew at once. Where the store's own is under a master key of ours, a
// row that names another one is damaged, and is no reason to doubt ours.
Result<const DataKey*> SealedDb::take(const WrappedKey& row) {
  TRY(know_master(row.master));
  if (!row.tenant.empty() && masters_.find(row.master) == nullptr) {
    const auto first = TRY(newest_data_key(*db_, ""));
    if (first && masters_.find(first->master) != nullptr) return unlike_the_store(row, *first);
  }
  DataKey key = TRY(unwrap(masters_, row));
  std::string id = key.id;
  return &keys_.insert_or_assign(std::move(id), std::move(key)).first->second;
}

Result<const DataKey*> SealedDb::key_with_id(std::string_view id) {
  if (const auto known = keys_.find(id); known != keys_.end()) return &known->second;
  const auto row = TRY(find_data_key(*db_, id));
  if (!row) return static_cast<const DataKey*>(nullptr);
  return take(*row);
}

Result<const DataKey*> SealedDb::key_of_tenant(const std::string& tenant) {
  const int64_t now_ns = real_env().mono_ns();
  const auto known = newest_.find(tenant);
  if (known != newest_.end() &&
      now_ns - known->second.since_ns < options_.refresh_ms * kNsPerMs) {
    const auto key = keys_.find(known->second.id);
    CHECK(key != keys_.end(), "a newest key {} that is not there", known->second.id);
    return &key->second;
  }
  auto row = TRY(newest_data_key(*db_, tenant));
  if (!row) {
    // It is wrapped as the store's other keys are, not by whatever this process began with.
    if (const auto first = TRY(newest_data_key(*db_, ""))) TRY(know_master(first->master));
    row = TRY(make_data_key(*db_, masters_, tenant));
    if (in_transaction_) unproven_.push_back(*row);
  }
  const DataKey* key = TRY(take(*row));
  newest_[tenant] = {key->id, now_ns};
  return key;
}

Result<std::string> SealedDb::tenant_of(const Place& place) {
  if (place.run.empty() || options_.tenant_of_run.empty()) return std::string(place.tenant);
  std::string run(place.run);
  if (const auto known = tenants_.find(run); known != tenants_.end()) return known->second;
  std::string tenant(place.tenant);
  if (tenant.empty()) {
    auto rows = TRY(db_->query(options_.tenant_of_run, {run}));
    if (!TRY(rows->next())) return tenant;  // not there yet: nothing to remember
    tenant = rows->text(0);
  }
  if (tenants_.size() >= kTenantsOfRunsMax) tenants_.clear();
  tenants_.emplace(std::move(run), tenant);
  return tenant;
}

Result<std::string> SealedDb::seal(const Place& place, Form form, std::string_view plain) {
  const std::string tenant = TRY(tenant_of(place));
  const DataKey* key = TRY(key_of_tenant(tenant));
  const std::string bytes = security::seal(key->secret, beside_value(key->tenant, place), plain);
  if (form == Form::kBlob) return std::string(store::kSealedBlob).append(key->id).append(bytes);
  return std::string(store::kSealedText).append(key->id).append(":").append(base64(bytes));
}

Result<std::string> SealedDb::open(const Place& place, std::string_view stored) {
  CHECK(store::is_sealed(stored), "{} is not sealed", place.column);
  const auto parts = parts_of(stored);
  if (!parts) return unopened(place, "it is damaged");
  const DataKey* key = TRY(key_with_id(parts->key));
  if (key == nullptr) {
    return unopened(place, fmt::format("there is no data key {}", quoted(parts->key)));
  }
  auto plain = unseal(key->secret, beside_value(key->tenant, place), parts->bytes);
  if (!plain) return unopened(place, "it is not what was written there");
  return std::move(*plain);
}

// The store's own key is there from the beginning, so that a wrong master key shows at once.
Status SealedDb::start() {
  if (!TRY(has_data_keys(*db_))) {
    store::Tx tx = TRY(store::Tx::begin(*db_));
    if (!TRY(has_data_keys(*db_))) TRY(make_data_key(*db_, masters_, ""));
    TRY(tx.commit());
  }
  TRY(key_of_tenant(""));
  return ok_status();
}

}  // namespace

Result<std::unique_ptr<store::Db>> open_sealed(std::unique_ptr<store::Db> db,
                                               SealedDbOptions options) {
  MasterKeys masters = TRY(MasterKeys::read(options.master));
  auto sealed = std::make_unique<SealedDb>(std::move(db), std::move(options), std::move(masters));
  TRY(sealed->start());
  return Result<std::unique_ptr<store::Db>>(std::move(sealed));
}

Status check_plain(store::Db& db) {
  if (!TRY(has_data_keys(db))) return ok_status();
  return make_error("E0508", "the store is sealed, and no master key was given",
                    "--master-key file:PATH, or `encryption` in weft.yaml");
}

}  // namespace weft::security
