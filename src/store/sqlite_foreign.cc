// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <memory>

#include "base/env.h"
#include "base/strings.h"
#include "store/foreign.h"

namespace weft::store {
namespace {

constexpr int kStepsBetweenLooks = 10'000;  // of SQLite's machine

struct SqliteCloser {
  void operator()(sqlite3* db) const { sqlite3_close(db); }
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using SqliteConnection = std::unique_ptr<sqlite3, SqliteCloser>;
using SqliteStatement = std::unique_ptr<sqlite3_stmt, SqliteCloser>;

Error refused_by_sqlite(sqlite3* db) {
  const int code = sqlite3_errcode(db);
  const bool busy = code == SQLITE_BUSY || code == SQLITE_LOCKED;
  const bool late = code == SQLITE_INTERRUPT;
  return make_error(busy ? "E0504" : "E0626",
                    late ? "the statement took longer than it may" : sqlite3_errmsg(db),
                    code == SQLITE_READONLY ? "the connection is granted for reading only" : "");
}

// Other files, settings of the connection and code to load are none of a statement's business.
int authorize(void*, int action, const char*, const char*, const char*, const char*) {
  const bool outside = action == SQLITE_ATTACH || action == SQLITE_DETACH ||
                       action == SQLITE_PRAGMA;
  return outside ? SQLITE_DENY : SQLITE_OK;
}

constexpr int64_t kBusyMs = 10'000;       // that others may hold the file's lock
constexpr int64_t kBusyPauseUs = 10'000;  // before it is looked at again

// How long the statement may take, and wait for others.
struct Patience {
  const ForeignQuery& query;
  int64_t until_ns = real_env().mono_ns() + query.timeout_ms * 1'000'000;
  int64_t busy_since_ns = 0;

  // 1: the statement is interrupted.
  static int ended(void* self) {
    const auto& patience = *static_cast<Patience*>(self);
    return patience.query.stopped() || real_env().mono_ns() > patience.until_ns ? 1 : 0;
  }
  // 1: the lock is tried again.
  static int waits(void* self, int tries) {
    auto& patience = *static_cast<Patience*>(self);
    const int64_t now_ns = real_env().mono_ns();
    if (tries == 0) patience.busy_since_ns = now_ns;
    const int64_t most_ms = std::min(patience.query.timeout_ms, kBusyMs);
    if (patience.query.stopped() || now_ns - patience.busy_since_ns >= most_ms * 1'000'000) {
      return 0;
    }
    real_env().sleep_us(kBusyPauseUs);
    return 1;
  }
};

Status bind(sqlite3_stmt* statement, int index, const json::Value& value) {
  int code = SQLITE_OK;
  if (value.is_null()) {
    code = sqlite3_bind_null(statement, index);
  } else if (value.is_bool()) {
    code = sqlite3_bind_int64(statement, index, value.get_bool() ? 1 : 0);
  } else if (value.is_int64()) {
    code = sqlite3_bind_int64(statement, index, value.get_int64());
  } else if (value.is_number()) {
    code = sqlite3_bind_double(statement, index, value.to_number<double>());
  } else if (value.is_string()) {
    const std::string_view text = value.get_string();
    code = sqlite3_bind_text64(statement, index, text.data(), text.size(), SQLITE_TRANSIENT,
                               SQLITE_UTF8);
  } else {
    return make_error("E0626", "a value to bind is text, a number, a boolean or null");
  }
  if (code == SQLITE_OK) return ok_status();
  return make_error("E0626", "a value cannot be bound: it is too large");
}

Status bind_all(sqlite3_stmt* statement, const json::Object& args) {
  size_t used = 0;
  for (int i = 1; i <= sqlite3_bind_parameter_count(statement); ++i) {
    const char* name = sqlite3_bind_parameter_name(statement, i);
    if (name == nullptr || name[0] != ':') {
      return make_error("E0626", "values of a statement are written :name");
    }
    const json::Value* value = args.if_contains(name + 1);
    if (value == nullptr) return make_error("E0626", fmt::format("{} has no value in args", name));
    ++used;
    TRY(bind(statement, i, *value));
  }
  if (used == args.size()) return ok_status();
  return make_error("E0626", fmt::format("args has {} values, the statement takes {}", args.size(),
                                         used));
}

Result<json::Value> column(sqlite3_stmt* statement, int i) {
  switch (sqlite3_column_type(statement, i)) {
    case SQLITE_INTEGER:
      return json::Value(static_cast<int64_t>(sqlite3_column_int64(statement, i)));
    case SQLITE_FLOAT:
      return json::Value(sqlite3_column_double(statement, i));
    case SQLITE_NULL:
      return json::Value();
    default: {
      const void* bytes = sqlite3_column_blob(statement, i);
      const auto size = static_cast<size_t>(sqlite3_column_bytes(statement, i));
      const std::string_view text(static_cast<const char*>(bytes), bytes == nullptr ? 0 : size);
      if (!invalid_utf8_at(text)) return json::Value(text);
      return make_error("E0626", fmt::format("column {} holds bytes that are no text",
                                             sqlite3_column_name(statement, i)),
                        "select hex(column) instead");
    }
  }
}

Result<json::Object> read_all(sqlite3* db, sqlite3_stmt* statement, const ForeignQuery& query) {
  json::Array rows;
  size_t bytes = 0;
  bool more = false;
  for (;;) {
    const int code = sqlite3_step(statement);
    if (code == SQLITE_DONE) break;
    if (code != SQLITE_ROW) return refused_by_sqlite(db);
    if (std::ssize(rows) >= query.rows_max) {
      more = true;
      break;
    }
    json::Object row;
    for (int i = 0; i < sqlite3_column_count(statement); ++i) {
      bytes += static_cast<size_t>(sqlite3_column_bytes(statement, i));
      if (bytes > query.bytes_max) {
        return make_error("E0626", fmt::format("the answer is larger than {} bytes",
                                               query.bytes_max), "select less");
      }
      row[sqlite3_column_name(statement, i)] = TRY(column(statement, i));
    }
    rows.push_back(std::move(row));
  }
  const int64_t changed = sqlite3_stmt_readonly(statement) != 0 ? 0 : sqlite3_changes64(db);
  return json::Object{{"rows", std::move(rows)}, {"more", more}, {"changed", changed}};
}

Status run_sqlite(sqlite3* db, const char* sql) {
  if (sqlite3_exec(db, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return ok_status();
  return refused_by_sqlite(db);
}

// RETURNING has changed everything by its first row: on its own it would be committed although its
// rows cannot be told, and an error of the commit would come when nobody listens. An error on the
// way rolls back with the connection's end.
Result<json::Object> write_and_read(sqlite3* db, sqlite3_stmt* statement,
                                    const ForeignQuery& query) {
  TRY(run_sqlite(db, "BEGIN IMMEDIATE"));
  json::Object out = TRY(read_all(db, statement, query));
  if (sqlite3_reset(statement) != SQLITE_OK) return refused_by_sqlite(db);
  out["changed"] = sqlite3_changes64(db);  // counted at the statement's end
  if (query.stopped()) return make_error("E0626", "the statement was stopped");
  TRY(run_sqlite(db, "COMMIT"));
  return out;
}

}  // namespace

Result<json::Object> ask_sqlite(const std::string& path, const ForeignQuery& query) {
  sqlite3* opened = nullptr;
  const int flags = query.writes ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
  const int code = sqlite3_open_v2(path.c_str(), &opened, flags | SQLITE_OPEN_NOFOLLOW, nullptr);
  const SqliteConnection db(opened);
  if (code != SQLITE_OK) {
    return make_error("E0501", fmt::format("cannot open the database {}: {}", quoted(path, 300),
                                           sqlite3_errmsg(opened)),
                      "the file must be there already, readable, and no symbolic link: --database "
                      "NAME=sqlite:PATH names it, and a step creates none");
  }
  sqlite3_db_config(opened, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(opened, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_set_authorizer(opened, authorize, nullptr);
  Patience patience{query};
  sqlite3_busy_handler(opened, Patience::waits, &patience);
  sqlite3_progress_handler(opened, kStepsBetweenLooks, Patience::ended, &patience);
  sqlite3_stmt* prepared = nullptr;
  const char* rest = nullptr;
  if (sqlite3_prepare_v2(opened, query.sql.c_str(), static_cast<int>(query.sql.size() + 1),
                         &prepared, &rest) != SQLITE_OK) {
    return refused_by_sqlite(opened);
  }
  const SqliteStatement statement(prepared);
  if (prepared == nullptr || !trim(rest).empty()) {
    return make_error("E0626", "expected exactly one statement");
  }
  TRY(bind_all(prepared, query.args));
  const bool tells = sqlite3_column_count(prepared) > 0;
  if (tells && sqlite3_stmt_readonly(prepared) == 0) {
    return write_and_read(opened, prepared, query);
  }
  return read_all(opened, prepared, query);
}

}  // namespace weft::store
