// SPDX-License-Identifier: Apache-2.0
//
// A relational store as the journal sees it: Db (one connection), Tx (a transaction that rolls
// back unless committed), Rows (a result read row by row), Value (what is bound), and numbered
// migrations. The statements keep to the SQL that SQLite >= 3.35 and PostgreSQL share: parameters
// are written $1, $2, … in order of first appearance; types TEXT, BIGINT, DOUBLE PRECISION, BYTEA;
// ON CONFLICT and RETURNING. What differs between stores stays in the driver.
//
// One connection belongs to one thread at a time. Nothing here retries a transaction or knows a
// table. Errors: E0501 cannot open, E0502 not a database or damaged, E0503 disk full, E0504 locked,
// E0505 written by a newer weft, E0506 the statement failed, E0513 so did one for the sake of its
// values: its transaction is rolled back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace weft::store {

enum class Kind : uint8_t { kNull, kInt64, kDouble, kText, kBlob };

// A value to bind. Text and blobs are views: their bytes must outlive the call they are bound in.
class Value {
 public:
  Value(std::nullptr_t) : kind_(Kind::kNull) {}                                // NOLINT
  Value(int value) : kind_(Kind::kInt64), integer_(value) {}                   // NOLINT
  Value(int64_t value) : kind_(Kind::kInt64), integer_(value) {}               // NOLINT
  Value(double value) : kind_(Kind::kDouble), number_(value) {}                // NOLINT
  Value(std::string_view text) : kind_(Kind::kText), bytes_(text) {}           // NOLINT
  Value(const std::string& text) : kind_(Kind::kText), bytes_(text) {}         // NOLINT
  Value(const char* text) : kind_(Kind::kText), bytes_(text) {}                // NOLINT
  static Value blob(std::string_view bytes) {
    Value value(bytes);
    value.kind_ = Kind::kBlob;
    return value;
  }
  template <class T>
  static Value or_null(const std::optional<T>& value) {
    return value ? Value(*value) : Value(nullptr);
  }

  Kind kind() const { return kind_; }
  int64_t int64() const { return integer_; }
  double float64() const { return number_; }
  std::string_view bytes() const { return bytes_; }

 private:
  Kind kind_;
  int64_t integer_ = 0;
  double number_ = 0;
  std::string_view bytes_;
};

using Values = std::span<const Value>;

// The rows of one query. Columns count from 0; a column read as another kind converts as the
// store does (NULL is 0 and ""). Views stay valid until next() or the end of the Rows.
class Rows {
 public:
  virtual ~Rows() = default;
  // Moves to the next row; false after the last.
  virtual Result<bool> next() = 0;
  virtual Kind kind(int column) const = 0;
  virtual int64_t int64(int column) const = 0;
  virtual double float64(int column) const = 0;
  virtual std::string_view text(int column) const = 0;
  virtual std::string_view blob(int column) const = 0;
  bool is_null(int column) const { return kind(column) == Kind::kNull; }
};

class Sealer;

class Db {
 public:
  virtual ~Db() = default;
  // What seals payloads on their way into this store (sealer.h); null: they are stored as they are.
  virtual Sealer* sealer() { return nullptr; }
  // Executes one statement; the number of rows it inserted, changed or deleted.
  virtual Result<int64_t> run(std::string_view sql, Values values) = 0;
  // Executes one statement whose count nobody needs. A store across a network sends it on with
  // those that follow; then its error comes with a later statement, with commit() at the latest.
  virtual Status post(std::string_view sql, Values values) {
    TRY(run(sql, values));
    return ok_status();
  }
  // Starts one query. The Rows must end before the connection.
  virtual Result<std::unique_ptr<Rows>> query(std::string_view sql, Values values) = 0;
  // Executes several statements separated by ';', without values.
  virtual Status script(std::string_view sql) = 0;
  // Takes the right to write at once, so that a transaction never fails half way for want of it.
  virtual Status begin() = 0;
  // Begins a transaction that only reads, and sees one moment of the store to its end.
  virtual Status begin_reading() = 0;
  // When this returns ok the transaction is on disk.
  virtual Status commit() = 0;
  virtual void rollback() = 0;
  // Outside transactions: what was written so far stands in the store itself and no longer in a log
  // beside it, where older bytes of the same places would be as well. False: readers keep the log
  // from being emptied for now. Stores that keep their log to themselves say true.
  virtual Result<bool> write_back() { return true; }
  // Writes tables anew without what was freed or written over in them, and write_back(). Others
  // wait meanwhile. A store that is one file writes all of it.
  virtual Result<bool> rewrite(std::span<const std::string_view> tables) = 0;
  // This transaction leaves something to do for others, who may be told when it is on disk. Nobody
  // may depend on that.
  virtual Status hint() { return ok_status(); }
  // Nothing will be asked for a while: gives back the memory that only made it faster.
  virtual void rest() {}
  // The clock of the store, in milliseconds since 1970: the only one leases are compared with.
  virtual Result<int64_t> now_ms() = 0;
  // What stands behind a SELECT of rows that this transaction is about to take and others take as
  // well, or that must not change before it ends. Empty where writers come one after the other.
  virtual std::string_view skip_locked() const { return ""; }
  virtual std::string_view share_lock() const { return ""; }

  Result<int64_t> run(std::string_view sql, std::initializer_list<Value> values) {
    return run(sql, Values(values.begin(), values.size()));
  }
  Status post(std::string_view sql, std::initializer_list<Value> values) {
    return post(sql, Values(values.begin(), values.size()));
  }
  Result<std::unique_ptr<Rows>> query(std::string_view sql, std::initializer_list<Value> values) {
    return query(sql, Values(values.begin(), values.size()));
  }
};

// begin() … commit(); leaving the scope without commit() rolls back.
class Tx {
 public:
  static Result<Tx> begin(Db& db);
  Tx(Tx&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  Tx& operator=(Tx&&) = delete;
  ~Tx();
  Status commit();

 private:
  explicit Tx(Db& db) : db_(&db) {}
  Db* db_;
};

// One step of the schema's history. Numbers start at 1 and leave no gap; a landed migration never
// changes.
struct Migration {
  int number;
  std::string_view name;
  std::string_view sql;
  std::string_view sqlite = {};  // in place of `sql` where writers come one after the other
};

// Brings the store up to the newest of `migrations`, each in the one transaction that also records
// it in table schema_version. Two processes may call it at once. E0505 if the store is newer.
Status migrate(Db& db, std::span<const Migration> migrations);

}  // namespace weft::store
