// SPDX-License-Identifier: Apache-2.0
#include "security/data_keys.h"

#include <fmt/format.h>

#include <cstring>
#include <map>

#include "base/strings.h"

namespace weft::security {
namespace {

constexpr size_t kDataKeyIdCharacters = 16;

constexpr std::string_view kDataKeyColumns =
    "SELECT id, tenant, version, master, wrapped FROM data_key ";

WrappedKey wrapped_of(const store::Rows& rows) {
  return {.id = std::string(rows.text(0)),
          .tenant = std::string(rows.text(1)),
          .version = rows.int64(2),
          .master = std::string(rows.text(3)),
          .wrapped = std::string(rows.blob(4))};
}

Result<std::optional<WrappedKey>> one(store::Db& db, std::string_view rest,
                                      std::string_view value) {
  auto rows = TRY(db.query(std::string(kDataKeyColumns).append(rest), {value}));
  if (!TRY(rows->next())) return std::optional<WrappedKey>();
  return std::optional(wrapped_of(*rows));
}

// No part contains a line break but the tenant, which comes last.
std::string beside_key(const WrappedKey& row) {
  return fmt::format("weft data key 1\n{}\n{}\n{}", row.id, row.version, row.tenant);
}

std::string wrap(const MasterKeys::Key& master, const WrappedKey& row, const Secret& secret) {
  return seal(master.secret, beside_key(row),
              {reinterpret_cast<const char*>(secret.data()), Secret::kBytes});
}

Error not_ours(const WrappedKey& row, const MasterKeys& masters) {
  return make_error("E0509",
                    fmt::format("the store is sealed under master key {}; the key given is {}",
                                row.master, masters.ids()),
                    "give the key that the store was sealed with, or put it as a further line "
                    "behind the new one");
}

// Keeps the row of tenant "" until the end of the transaction: wrapping anew waits for it.
Status hold_first_row(store::Db& db) {
  auto rows = TRY(db.query(
      fmt::format("SELECT id FROM data_key WHERE tenant = '' AND version = 1{}", db.share_lock()),
      {}));
  TRY(rows->next());
  return ok_status();
}

Status take_first_row(store::Db& db) {
  TRY(db.run("UPDATE data_key SET created_us = created_us WHERE tenant = '' AND version = 1", {}));
  return ok_status();
}

}  // namespace

Result<bool> has_data_keys(store::Db& db) {
  auto rows = TRY(db.query("SELECT 1 FROM data_key LIMIT 1", {}));
  return rows->next();
}

Result<std::optional<WrappedKey>> find_data_key(store::Db& db, std::string_view id) {
  return one(db, "WHERE id = $1", id);
}

Result<std::optional<WrappedKey>> newest_data_key(store::Db& db, std::string_view tenant) {
  return one(db, "WHERE tenant = $1 ORDER BY version DESC LIMIT 1", tenant);
}

Result<std::vector<WrappedKey>> list_data_keys(store::Db& db) {
  auto rows = TRY(db.query(std::string(kDataKeyColumns).append("ORDER BY tenant, version"), {}));
  std::vector<WrappedKey> out;
  while (TRY(rows->next())) out.push_back(wrapped_of(*rows));
  return out;
}

Result<DataKey> unwrap(const MasterKeys& masters, const WrappedKey& row) {
  const MasterKeys::Key* master = masters.find(row.master);
  if (master == nullptr) return not_ours(row, masters);
  const auto bytes = unseal(master->secret, beside_key(row), row.wrapped);
  if (!bytes || bytes->size() != Secret::kBytes) {
    return make_error("E0510",
                      fmt::format("data key {} of tenant {} does not open under its master key {}",
                                  row.id, quoted(row.tenant), row.master),
                      "its row was changed after it was written: restore table data_key");
  }
  DataKey out{.id = row.id, .tenant = row.tenant, .version = row.version};
  std::memcpy(out.secret.data(), bytes->data(), Secret::kBytes);
  return out;
}

Result<WrappedKey> make_data_key(store::Db& db, const MasterKeys& masters,
                                 std::string_view tenant, int64_t version) {
  TRY(hold_first_row(db));
  const auto first = TRY(newest_data_key(db, ""));
  const MasterKeys::Key* master = first ? masters.find(first->master) : &masters.current();
  if (master == nullptr) return not_ours(*first, masters);
  WrappedKey row{.id = random_text(kDataKeyIdCharacters),
                 .tenant = std::string(tenant),
                 .version = version,
                 .master = master->id,
                 .wrapped = {}};
  row.wrapped = wrap(*master, row, Secret::random());
  const int64_t now_us = TRY(db.now_ms()) * 1000;
  const int64_t inserted = TRY(db.run(
      "INSERT INTO data_key (id, tenant, version, master, wrapped, created_us) "
      "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
      {row.id, row.tenant, row.version, row.master, store::Value::blob(row.wrapped), now_us}));
  if (inserted == 1) return row;
  auto others = TRY(newest_data_key(db, tenant));
  CHECK(others.has_value(), "a conflict about tenant {} without a row", tenant);
  return std::move(*others);
}

Result<Rewrapped> rewrap_data_keys(store::Db& db, const MasterKeys& masters, bool renew) {
  store::Tx tx = TRY(store::Tx::begin(db));
  TRY(take_first_row(db));
  Rewrapped out;
  std::map<std::string, int64_t> newest;  // versions, by tenant
  const MasterKeys::Key& master = masters.current();
  for (WrappedKey& row : TRY(list_data_keys(db))) {
    newest[row.tenant] = row.version;  // they come in order
    const DataKey key = TRY(unwrap(masters, row));
    if (row.master == master.id) {
      ++out.already;
      continue;
    }
    TRY(db.run("UPDATE data_key SET master = $1, wrapped = $2 WHERE id = $3",
               {master.id, store::Value::blob(wrap(master, row, key.secret)), row.id}));
    ++out.keys;
  }
  if (renew) {
    for (const auto& [tenant, version] : newest) {
      TRY(make_data_key(db, masters, tenant, version + 1));
    }
    out.fresh = std::ssize(newest);
  }
  TRY(tx.commit());
  return out;
}

}  // namespace weft::security
