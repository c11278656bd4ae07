// SPDX-License-Identifier: Apache-2.0
#include "store/db.h"

namespace weft::store {
namespace {

constexpr std::string_view kVersionTable =
    "CREATE TABLE IF NOT EXISTS schema_version ("
    "number BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_ms BIGINT NOT NULL)";

// The highest number recorded, 0 for an empty store.
Result<int64_t> migrate_version(Db& db) {
  auto rows = TRY(db.query("SELECT coalesce(max(number), 0) FROM schema_version", {}));
  const bool found = TRY(rows->next());
  CHECK(found, "an aggregate yields one row");
  return rows->int64(0);
}

Status migrate_check_not_newer(int64_t version, int64_t known) {
  if (version <= known) return ok_status();
  return make_error(
      "E0505",
      fmt::format("the store has schema version {}, this weft knows versions up to {}", version,
                  known),
      "use the newer weft that wrote it, or another store (--store PATH)");
}

}  // namespace

Result<Tx> Tx::begin(Db& db) {
  TRY(db.begin());
  return Tx(db);
}

Tx::~Tx() {
  if (db_ != nullptr) db_->rollback();
}

Status Tx::commit() {
  CHECK(db_ != nullptr, "a transaction ends once");
  Status status = db_->commit();
  if (!status.ok()) db_->rollback();
  db_ = nullptr;
  return status;
}

namespace {

// In one transaction; another process may have been first meanwhile.
Status migrate_rest(Db& db, std::span<const Migration> migrations) {
  Tx tx = TRY(Tx::begin(db));
  TRY(db.run(kVersionTable, {}));
  const int64_t version = TRY(migrate_version(db));
  TRY(migrate_check_not_newer(version, static_cast<int64_t>(migrations.size())));
  const int64_t now = TRY(db.now_ms());
  for (const Migration& migration : migrations.subspan(static_cast<size_t>(version))) {
    const bool own = !migration.sqlite.empty() && db.skip_locked().empty();
    TRY(db.script(own ? migration.sqlite : migration.sql));
    TRY(db.run("INSERT INTO schema_version (number, name, applied_ms) VALUES ($1, $2, $3)",
               {migration.number, migration.name, now}));
  }
  return tx.commit();
}

}  // namespace

Status migrate(Db& db, std::span<const Migration> migrations) {
  for (size_t i = 0; i < migrations.size(); ++i) {
    CHECK(migrations[i].number == static_cast<int>(i) + 1, "migrations are numbered 1, 2, …");
  }
  const auto known = static_cast<int64_t>(migrations.size());
  // Most openings find everything in place and take no write lock.
  if (auto version = migrate_version(db); version.ok()) {
    TRY(migrate_check_not_newer(*version, known));
    if (*version == known) return ok_status();
  } else if (version.error().code != "E0506") {
    return version.error();  // damage, a lock: anything but the missing table of a new store
  }
  Status done = migrate_rest(db, migrations);
  if (done.ok()) return done;
  // Where writers run side by side, the one that comes second fails at what the first has made.
  const auto version = migrate_version(db);
  return version.ok() && *version == known ? ok_status() : done;
}

}  // namespace weft::store
