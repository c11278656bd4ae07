// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <unordered_map>
#include <utility>

#include "base/descriptor.h"
#include "base/env.h"
#include "base/file.h"
#include "base/strings.h"

namespace weft::store {
namespace {

constexpr size_t kCachedStatementsMax = 256;

// Pauses grow from 0.1 ms to 5 ms: short against a commit's sync, long against spinning.
constexpr int64_t kPauseUsMin = 100;
constexpr int64_t kPauseUsMax = 5'000;
constexpr int64_t kWriteBackMsMax = 500;

std::string_view hint_of(int primary_code) {
  switch (primary_code) {
    case SQLITE_FULL:
      return "free some space; what was committed before is safe";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "another process holds the store; see which with 'fuser FILE', or use --store PATH";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return "restore a copy, or move the file (with its -wal and -shm) away to start anew";
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      return "check that file and directory exist and are writable, or use --store PATH";
    case SQLITE_IOERR:
      return "look at the system log for disk errors";
    default:
      return "";
  }
}

std::string_view code_of(int primary_code) {
  switch (primary_code) {
    case SQLITE_FULL:
      return "E0503";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "E0504";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return "E0502";
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      return "E0501";
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
      return "E0513";
    default:
      return "E0506";
  }
}

class Sqlite;

class SqliteRows final : public Rows {
 public:
  SqliteRows(Sqlite& db, std::string_view sql, sqlite3_stmt* statement)
      : db_(db), sql_(sql), statement_(statement) {}
  ~SqliteRows() override;
  Result<bool> next() override;
  Kind kind(int column) const override {
    switch (sqlite3_column_type(statement_, column)) {
      case SQLITE_INTEGER:
        return Kind::kInt64;
      case SQLITE_FLOAT:
        return Kind::kDouble;
      case SQLITE_TEXT:
        return Kind::kText;
      case SQLITE_BLOB:
        return Kind::kBlob;
      default:
        return Kind::kNull;
    }
  }
  int64_t int64(int column) const override { return sqlite3_column_int64(statement_, column); }
  double float64(int column) const override { return sqlite3_column_double(statement_, column); }
  std::string_view text(int column) const override {
    const auto* data = sqlite3_column_text(statement_, column);
    const auto size = static_cast<size_t>(sqlite3_column_bytes(statement_, column));
    return data == nullptr ? std::string_view()
                           : std::string_view(reinterpret_cast<const char*>(data), size);
  }
  std::string_view blob(int column) const override {
    const void* data = sqlite3_column_blob(statement_, column);
    const auto size = static_cast<size_t>(sqlite3_column_bytes(statement_, column));
    return data == nullptr ? std::string_view()
                           : std::string_view(static_cast<const char*>(data), size);
  }

 private:
  Sqlite& db_;
  std::string sql_;
  sqlite3_stmt* statement_;
};

class Sqlite final : public Db {
 public:
  Sqlite(sqlite3* handle, const SqliteOptions& options)
      : handle_(handle), path_(options.path), busy_ms_max_(options.busy_ms_max) {
    sqlite3_busy_handler(handle_, &Sqlite::on_busy, this);
  }
  Sqlite(const Sqlite&) = delete;
  Sqlite& operator=(const Sqlite&) = delete;
  ~Sqlite() override {
    for (auto& [sql, statement] : cache_) sqlite3_finalize(statement);
    const int code = sqlite3_close(handle_);
    CHECK(code == SQLITE_OK, "rows outlive their connection to {}", path_);
  }

  using Db::query;
  using Db::run;
  Result<int64_t> run(std::string_view sql, Values values) override;
  Result<std::unique_ptr<Rows>> query(std::string_view sql, Values values) override;
  Status script(std::string_view sql) override;
  Status begin() override { return run_plain("BEGIN IMMEDIATE"); }
  Status begin_reading() override { return run_plain("BEGIN"); }
  Status commit() override { return run_plain("COMMIT"); }
  void rollback() override {
    // A failed commit may have rolled back already; then there is nothing to undo.
    if (sqlite3_get_autocommit(handle_) == 0) (void)run_plain("ROLLBACK");
  }
  Result<bool> write_back() override;
  Result<bool> rewrite(std::span<const std::string_view>) override {
    TRY(script("VACUUM"));
    return write_back();
  }
  Result<int64_t> now_ms() override;
  void rest() override {
    // What cannot be moved now stays in the log.
    sqlite3_wal_checkpoint_v2(handle_, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    sqlite3_db_release_memory(handle_);
  }

  Status prepare_connection();
  Error error(int code, std::string_view doing) const;
  void give_back(std::string sql, sqlite3_stmt* statement);

 private:
  static int on_busy(void* self, int count);
  Result<sqlite3_stmt*> take(std::string_view sql);
  Status bind(sqlite3_stmt* statement, Values values, std::string_view sql);
  Status run_plain(std::string_view sql) {
    TRY(run(sql, Values()));
    return ok_status();
  }

  // Lookup without building a std::string for each statement executed.
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  sqlite3* handle_;
  std::string path_;
  int64_t busy_ms_max_;
  int64_t busy_us_ = 0;  // waited so far by the statement now running
  std::unordered_map<std::string, sqlite3_stmt*, Hash, std::equal_to<>> cache_;
};

SqliteRows::~SqliteRows() {
  sqlite3_reset(statement_);
  db_.give_back(std::move(sql_), statement_);
}

Result<bool> SqliteRows::next() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return db_.error(code, sql_);
}

// Called by SQLite while another connection holds the lock; 0 gives up.
int Sqlite::on_busy(void* self, int count) {
  auto& db = *static_cast<Sqlite*>(self);
  if (count == 0) db.busy_us_ = 0;
  if (db.busy_us_ >= db.busy_ms_max_ * 1000) return 0;
  const int64_t pause = std::min(kPauseUsMax, kPauseUsMin * (1 + count));
  real_env().sleep_us(pause);
  db.busy_us_ += pause;
  return 1;
}

Error Sqlite::error(int code, std::string_view doing) const {
  const int primary = code & 0xff;
  std::string_view kind = "cannot use the store";
  if (primary == SQLITE_FULL) kind = "no space left for the store";
  if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED) kind = "the store stayed locked";
  if (primary == SQLITE_CORRUPT) kind = "the store is damaged";
  if (primary == SQLITE_NOTADB) kind = "not a SQLite database";
  if (primary == SQLITE_READONLY) kind = "the store is not writable";
  if (primary == SQLITE_CANTOPEN) kind = "cannot open the store";
  return make_error(std::string(code_of(primary)),
                    fmt::format("{} {}: {} (SQLite {}) in {}", kind, quoted(path_, 300),
                                sqlite3_errmsg(handle_), code, quoted(doing, 120)),
                    std::string(hint_of(primary)));
}

// A statement in use is out of the cache, so that the same SQL may run inside its own rows.
Result<sqlite3_stmt*> Sqlite::take(std::string_view sql) {
  if (auto found = cache_.find(sql); found != cache_.end()) {
    sqlite3_stmt* statement = found->second;
    cache_.erase(found);
    return statement;
  }
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return error(code, sql);
  CHECK(statement != nullptr, "empty statement");
  return statement;
}

void Sqlite::give_back(std::string sql, sqlite3_stmt* statement) {
  sqlite3_clear_bindings(statement);
  if (cache_.size() >= kCachedStatementsMax || !cache_.emplace(std::move(sql), statement).second) {
    sqlite3_finalize(statement);
  }
}

Status Sqlite::bind(sqlite3_stmt* statement, Values values, std::string_view sql) {
  CHECK(sqlite3_bind_parameter_count(statement) == static_cast<int>(values.size()),
        "{} values for {}", values.size(), sql);
  for (size_t i = 0; i < values.size(); ++i) {
    const Value& value = values[i];
    const int place = static_cast<int>(i) + 1;
    const char* bytes = value.bytes().data() == nullptr ? "" : value.bytes().data();
    int code = SQLITE_OK;
    switch (value.kind()) {
      case Kind::kNull:
        code = sqlite3_bind_null(statement, place);
        break;
      case Kind::kInt64:
        code = sqlite3_bind_int64(statement, place, value.int64());
        break;
      case Kind::kDouble:
        code = sqlite3_bind_double(statement, place, value.float64());
        break;
      case Kind::kText:
        code = sqlite3_bind_text64(statement, place, bytes, value.bytes().size(), SQLITE_STATIC,
                                   SQLITE_UTF8);
        break;
      case Kind::kBlob:
        code = sqlite3_bind_blob64(statement, place, bytes, value.bytes().size(), SQLITE_STATIC);
        break;
    }
    if (code != SQLITE_OK) return error(code, sql);
  }
  return ok_status();
}

Result<int64_t> Sqlite::run(std::string_view sql, Values values) {
  // The cached statement stays where it is: no rows are handed out while it runs.
  const auto found = cache_.find(sql);
  sqlite3_stmt* statement = found != cache_.end() ? found->second : TRY(take(sql));
  Status bound = bind(statement, values, sql);
  int code = SQLITE_OK;
  if (bound.ok()) {
    do {
      code = sqlite3_step(statement);
    } while (code == SQLITE_ROW);
  }
  Result<int64_t> result = int64_t{sqlite3_changes(handle_)};
  if (!bound.ok()) {
    result = std::move(bound).error();
  } else if (code != SQLITE_DONE) {
    result = error(code, sql);
  }
  sqlite3_reset(statement);
  if (found == cache_.end()) give_back(std::string(sql), statement);
  return result;
}

Result<std::unique_ptr<Rows>> Sqlite::query(std::string_view sql, Values values) {
  sqlite3_stmt* statement = TRY(take(sql));
  // Values are views of the caller's bytes, and rows are read after the call: copy them once.
  Status bound = bind(statement, values, sql);
  for (size_t i = 0; bound.ok() && i < values.size(); ++i) {
    const Value& value = values[i];
    const int place = static_cast<int>(i) + 1;
    const char* bytes = value.bytes().data() == nullptr ? "" : value.bytes().data();
    if (value.kind() == Kind::kText) {
      sqlite3_bind_text64(statement, place, bytes, value.bytes().size(), SQLITE_TRANSIENT,
                          SQLITE_UTF8);
    } else if (value.kind() == Kind::kBlob) {
      sqlite3_bind_blob64(statement, place, bytes, value.bytes().size(), SQLITE_TRANSIENT);
    }
  }
  auto rows = std::make_unique<SqliteRows>(*this, sql, statement);
  if (!bound.ok()) return std::move(bound).error();
  return Result<std::unique_ptr<Rows>>(std::move(rows));
}

Status Sqlite::script(std::string_view sql) {
  const char* at = sql.data();
  const char* const end = sql.data() + sql.size();
  while (at < end) {
    sqlite3_stmt* statement = nullptr;
    const char* rest = nullptr;
    int code = sqlite3_prepare_v2(handle_, at, static_cast<int>(end - at), &statement, &rest);
    if (code != SQLITE_OK) return error(code, std::string_view(at, static_cast<size_t>(end - at)));
    if (statement == nullptr) return ok_status();  // only white space was left
    do {
      code = sqlite3_step(statement);
    } while (code == SQLITE_ROW);
    Status done = code == SQLITE_DONE ? ok_status() : Status(error(code, sqlite3_sql(statement)));
    sqlite3_finalize(statement);
    TRY(std::move(done));
    at = rest;
  }
  return ok_status();
}

Result<int64_t> Sqlite::now_ms() {
  // 2440587.5: the Julian day of 1970-01-01T00:00. (unixepoch('subsec') needs SQLite 3.42.)
  auto rows = TRY(query(
      "SELECT CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER)", Values()));
  const bool found = TRY(rows->next());
  CHECK(found, "a scalar query yields one row");
  return rows->int64(0);
}

// While it waits for readers nobody can write, so it does not wait as long as a writer would.
Result<bool> Sqlite::write_back() {
  const int64_t patience = std::exchange(busy_ms_max_, std::min(busy_ms_max_, kWriteBackMsMax));
  const auto emptied = [&]() -> Result<bool> {
    auto rows = TRY(query("PRAGMA wal_checkpoint(TRUNCATE)", Values()));
    return TRY(rows->next()) && rows->int64(0) == 0;
  };
  auto done = emptied();
  busy_ms_max_ = patience;
  if (!done.ok() && done.error().code == "E0504") return false;
  return done;
}

Status Sqlite::prepare_connection() {
  // Switching to WAL does not go through the busy handler when two processes create a store at
  // the same moment, hence the loop.
  for (int64_t waited_us = 0;; waited_us += kPauseUsMax) {
    auto rows = TRY(query("PRAGMA journal_mode=WAL", Values()));
    auto got = rows->next();
    if (got.ok()) {
      if (rows->text(0) == "wal") break;
      return make_error("E0501",
                        fmt::format("the store {} cannot keep a write-ahead log (mode is {})",
                                    quoted(path_, 300), quoted(rows->text(0))),
                        "put it on a local disk: --store PATH");
    }
    if (got.error().code != "E0504" || waited_us > busy_ms_max_ * 1000) return got.error();
    real_env().sleep_us(kPauseUsMax);
  }
  // A group of a thousand changes touches as many pages: fewer kept ones would be written out and
  // read back in its middle. The log is emptied in rest(), when nobody waits for it; under a load
  // that never rests, when it has 64 MB.
  return script("PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA cache_size=-6000; "
                "PRAGMA wal_autocheckpoint=16000;");
}

// After a failed call of the system, which left its reason in errno.
Error cannot_create(const std::string& path) {
  const int kind = errno == ENOSPC || errno == EDQUOT ? SQLITE_FULL
                   : errno == EIO                     ? SQLITE_IOERR
                                                      : SQLITE_CANTOPEN;
  return make_error(std::string(code_of(kind)),
                    fmt::format("cannot open the store {}: {}", quoted(path, 300),
                                std::strerror(errno)),
                    std::string(hint_of(kind)));
}

// Creates an empty file with mode 0600 where there is none: SQLite itself would use 0644. A file
// that is there must not be opened here: closing any descriptor of it drops all locks that other
// connections of this process hold (POSIX), and another process that closes its last connection
// then deletes the write-ahead log under them.
Status create_empty(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_CREAT | O_EXCL, 0600));
  if (file.get() >= 0 || errno == EEXIST) return ok_status();
  return cannot_create(path);
}

// The bytes of a database with write-ahead log that holds what `fill` puts there.
Result<std::string> image_of(const std::function<Status(Db&)>& fill) {
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(":memory:", &handle,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  CHECK(handle != nullptr, "out of memory");
  Sqlite db(handle, {.path = ":memory:"});
  if (code != SQLITE_OK) return db.error(code, "open");
  TRY(fill(db));
  sqlite3_int64 size = 0;
  const std::unique_ptr<unsigned char, decltype(&sqlite3_free)> bytes(
      sqlite3_serialize(handle, "main", &size, 0), &sqlite3_free);
  CHECK(bytes != nullptr && size >= 100, "SQLite has {} bytes of an image", size);
  // The format's versions for writing and reading (SQLite file format, section 1.3): 2 is WAL.
  bytes.get()[18] = bytes.get()[19] = 2;
  return std::string(reinterpret_cast<const char*>(bytes.get()), static_cast<size_t>(size));
}

Status write_synced(const Descriptor& file, std::string_view bytes, const std::string& path) {
  if (file.get() < 0) return cannot_create(path);
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return cannot_create(path);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  if (::fdatasync(file.get()) != 0) return cannot_create(path);
  return ok_status();
}

// Whoever links first has made the store; the others use it.
Status create_whole(const std::string& path, std::string_view image) {
  std::string whole = path + ".new-XXXXXX";
  Status done = ok_status();
  {
    const Descriptor file(::mkostemp(whole.data(), O_CLOEXEC));  // mode 0600
    done = write_synced(file, image, path);
  }
  if (done.ok() && ::link(whole.c_str(), path.c_str()) != 0 && errno != EEXIST) {
    done = errno == EPERM || errno == EOPNOTSUPP ? create_empty(path) : cannot_create(path);
  }
  ::unlink(whole.c_str());
  if (!done.ok()) return done;
  const std::string parent = std::filesystem::path(path).parent_path().string();
  const Descriptor directory(
      ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0 || ::fsync(directory.get()) != 0) return cannot_create(path);
  return ok_status();
}

// A log without its database is left to SQLite, which knows when it is void.
Status create_missing(const SqliteOptions& options) {
  if (!options.create || file_exists(options.path)) return ok_status();
  if (!options.fill || file_exists(options.path + "-wal")) return create_empty(options.path);
  return create_whole(options.path, TRY(image_of(options.fill)));
}

}  // namespace

Result<std::unique_ptr<Db>> open_sqlite(const SqliteOptions& options) {
  // Without its statistics SQLite need not lock a mutex around every allocation.
  static const int configured = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  CHECK(configured == SQLITE_OK, "SQLite was used before");
  TRY(create_missing(options));
  sqlite3* handle = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(options.path.c_str(), &handle, flags, nullptr);
  CHECK(handle != nullptr, "out of memory");
  auto db = std::make_unique<Sqlite>(handle, options);
  if (code != SQLITE_OK) return db->error(code, "open");
  TRY(db->prepare_connection());
  return Result<std::unique_ptr<Db>>(std::move(db));
}

}  // namespace weft::store
