// SPDX-License-Identifier: Apache-2.0
//
// Databases of other people: one statement with bound values, asked by a step or a tool. Nothing of
// a value ever becomes SQL. Unless `writes` is granted the database itself refuses to change
// anything (SQLite: opened read-only; PostgreSQL: a read-only transaction, and only statements with
// columns), whatever the statement says. Rows, bytes and time are bounded.
//
// A connection lives for one statement. Blocks: call it on a Pool.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace weft::store {

struct ForeignQuery {
  std::string sql;            // exactly one statement; values as :name
  json::Object args;          // a value for every :name: text, number, boolean, null
  bool writes = false;
  int64_t rows_max = 1'000;
  size_t bytes_max = size_t{8} << 20;  // of all values as text
  int64_t timeout_ms = 30'000;
  // Set from any thread: nobody waits any more. The statement is cut off within 0.1 s, or when the
  // server heeds it, and what it wrote is rolled back, unless its commit is under way.
  const std::atomic<bool>* stop = nullptr;
  bool stopped() const { return stop != nullptr && *stop; }
};

// {rows: [{column: value}], more: whether rows_max cut it off, changed: rows written}. E0626: the
// statement or its values are not acceptable, or the database refused them; E0501: it cannot be
// reached, E0504: it is busy. After these three nothing has changed. E0507: the connection broke
// while it was asked, and nobody knows. After `stop` any of them.
Result<json::Object> ask_sqlite(const std::string& path, const ForeignQuery& query);
Result<json::Object> ask_postgres(const std::string& url, const ForeignQuery& query);
// By the beginning of `url`: sqlite:PATH, postgres://…, postgresql://….
Result<json::Object> ask_database(const std::string& url, const ForeignQuery& query);

// The statement with $1, $2, … for :name, and the names in that order. Quoted text, comments and
// :: are left alone. E0626: a quote that does not end.
struct NumberedSql {
  std::string sql;
  std::vector<std::string> names;
};
Result<NumberedSql> numbered(std::string_view sql);

// Whether the statement only reads, going by its first word. A hint for retries; what may be
// written is decided by the database.
bool only_reads(std::string_view sql);

}  // namespace weft::store
