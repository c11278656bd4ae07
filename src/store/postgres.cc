// SPDX-License-Identifier: Apache-2.0
#include "store/postgres.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/env.h"
#include "base/strings.h"
#include "store/postgres_connection.h"

namespace weft::store {
namespace {

// Types of parameters by their kind; 0 lets the server infer that of a null.
constexpr Oid kOidBytea = 17;
constexpr Oid kOidInt8 = 20;
constexpr Oid kOidText = 25;
constexpr Oid kOidFloat8 = 701;

constexpr std::string_view kSession =
    "SET client_min_messages = warning; SET idle_in_transaction_session_timeout = '10s'; "
    "SET lock_timeout = '30s'; SET default_transaction_isolation = 'read committed'; "
    "SET bytea_output = 'hex'; SET synchronous_commit = on";

using ResultPtr = PostgresResult;
using ConnectionPtr = PostgresConnection;

// A standby, or a primary that has been made one: its successor takes what it refuses.
constexpr std::string_view kReadOnly = "25006";

// SQLSTATE to our codes: what a caller can do about it decides.
std::string_view code_of_state(std::string_view state) {
  if (state.starts_with("53100")) return "E0503";  // disk full
  if (state == "40001" || state == "40P01" || state == "55P03") return "E0504";
  if (state.starts_with("08") || state.starts_with("57P") || state == "25P03") return "E0507";
  if (state == kReadOnly) return "E0507";
  const std::string_view kind = state.substr(0, 2);  // a value, a constraint, a limit
  if (kind == "22" || kind == "23" || kind == "54") return "E0513";
  if (state.starts_with("XX") || state == "58030") return "E0502";
  return "E0506";
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

class PostgresRows final : public Rows {
 public:
  explicit PostgresRows(ResultPtr result) : result_(std::move(result)) {}
  Result<bool> next() override { return ++row_ < PQntuples(result_.get()); }
  Kind kind(int column) const override {
    if (PQgetisnull(result_.get(), row_, column) != 0) return Kind::kNull;
    switch (PQftype(result_.get(), column)) {
      case kOidBytea:
        return Kind::kBlob;
      case kOidFloat8:
        return Kind::kDouble;
      case kOidInt8:
      case 21:
      case 23:
        return Kind::kInt64;
      default:
        return Kind::kText;
    }
  }
  int64_t int64(int column) const override {
    const std::string_view digits = text(column);
    int64_t value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
  }
  double float64(int column) const override {
    const std::string_view digits = text(column);
    double value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
  }
  std::string_view text(int column) const override {
    CHECK(row_ >= 0 && row_ < PQntuples(result_.get()), "no row is there to read");
    return {PQgetvalue(result_.get(), row_, column),
            static_cast<size_t>(PQgetlength(result_.get(), row_, column))};
  }
  // "\x00ff…" as the server writes bytea; other columns as they are.
  std::string_view blob(int column) const override {
    const std::string_view hex = text(column);
    if (PQftype(result_.get(), column) != kOidBytea || !hex.starts_with("\\x")) return hex;
    auto& bytes = blobs_.emplace_back();
    bytes.reserve(hex.size() / 2);
    for (size_t i = 2; i + 1 < hex.size(); i += 2) {
      bytes += static_cast<char>(hex_digit(hex[i]) * 16 + hex_digit(hex[i + 1]));
    }
    return bytes;
  }

 private:
  ResultPtr result_;
  int row_ = -1;
  mutable std::vector<std::string> blobs_;
};

class Postgres final : public Db {
 public:
  Postgres(ConnectionPtr connection, const PostgresOptions& options)
      : connection_(std::move(connection)), options_(options) {}

  using Db::query;
  using Db::run;
  Result<int64_t> run(std::string_view sql, Values values) override {
    const ResultPtr result = TRY(execute(sql, values));
    const char* const count = PQcmdTuples(result.get());
    return int64_t{std::strtoll(count, nullptr, 10)};
  }
  Result<std::unique_ptr<Rows>> query(std::string_view sql, Values values) override {
    return Result<std::unique_ptr<Rows>>(
        std::make_unique<PostgresRows>(TRY(execute(sql, values))));
  }
  Status post(std::string_view sql, Values values) override;
  Status script(std::string_view sql) override {
    TRY(drain());
    if (PQsendQuery(connection_.get(), std::string(sql).c_str()) == 0) return lost(sql);
    TRY(last_result(sql));
    return ok_status();
  }
  Status begin() override { return script("BEGIN"); }
  Status begin_reading() override {
    return script("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  }
  // A transaction that an error has aborted answers COMMIT with ROLLBACK.
  Status commit() override {
    const ResultPtr result = TRY(execute("COMMIT", {}));
    if (std::string_view(PQcmdStatus(result.get())) == "COMMIT") return ok_status();
    return make_error("E0506", "the transaction was rolled back by an error before its commit");
  }
  void rollback() override {
    (void)drain();
    if (PQtransactionStatus(connection_.get()) != PQTRANS_IDLE) (void)script("ROLLBACK");
  }
  Result<bool> rewrite(std::span<const std::string_view> tables) override {
    for (const std::string_view table : tables) TRY(script(fmt::format("VACUUM FULL {}", table)));
    return true;
  }
  Result<int64_t> now_ms() override {
    auto rows = TRY(query("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
                          Values()));
    const bool found = TRY(rows->next());
    CHECK(found, "a scalar query yields one row");
    return rows->int64(0);
  }
  // The server tells of it at the commit, once a transaction however often it is said.
  Status hint() override {
    return Db::post(fmt::format("SELECT pg_notify('{}', '')", kHintChannel), {});
  }
  std::string_view skip_locked() const override { return " FOR UPDATE SKIP LOCKED"; }
  std::string_view share_lock() const override { return " FOR SHARE"; }

 private:
  Error lost(std::string_view doing) const {
    return make_error("E0507",
                      fmt::format("lost the database: {} in {}",
                                  trim(PQerrorMessage(connection_.get())), quoted(doing, 120)),
                      "is the server up? weft worker tries again by itself");
  }
  // Values in the form that the library takes; they point into each other.
  struct Bound {
    std::vector<Oid> types;
    std::vector<std::string> texts;
    std::vector<const char*> pointers;
    std::vector<int> lengths;
    std::vector<int> formats;
  };
  static Result<Bound> bind(Values values);
  Error failure(const PGresult* result, std::string_view sql) const;
  Result<ResultPtr> execute(std::string_view sql, Values values);
  Status send_prepared(const std::string& name, const Bound& bound, std::string_view sql);
  Status drain();
  Result<ResultPtr> last_result(std::string_view sql);
  Status wait(int64_t until_ns, std::string_view doing);

  ConnectionPtr connection_;
  PostgresOptions options_;
  std::unordered_map<std::string, std::string> prepared_;  // statement -> its name there
  int64_t names_ = 0;
  int64_t posted_ = 0;  // answers to come; 0: no pipeline is open
};

// Statements are prepared once and kept by the server; beyond so many they are none of ours.
constexpr size_t kPreparedMax = 256;
constexpr int64_t kPostedMax = 4'096;

// Sends what is queued and takes in what has come, until an answer can be read without waiting.
Status Postgres::wait(int64_t until_ns, std::string_view doing) {
  PGconn* const c = connection_.get();
  for (;;) {
    const int unsent = PQflush(c);
    if (unsent < 0) return lost(doing);
    if (unsent == 0 && PQisBusy(c) == 0) return ok_status();
    pollfd socket{PQsocket(c), static_cast<short>(unsent > 0 ? POLLIN | POLLOUT : POLLIN), 0};
    const int64_t left_ms = (until_ns - real_env().mono_ns()) / 1'000'000;
    if (left_ms <= 0) {
      return make_error("E0507", fmt::format("the database did not answer within {} ms in {}",
                                             options_.statement_ms_max, quoted(doing, 120)),
                        "is the server, or the network to it, overloaded?");
    }
    if (::poll(&socket, 1, static_cast<int>(std::min<int64_t>(left_ms, 1'000))) < 0 &&
        errno != EINTR) {
      return lost(doing);
    }
    if ((socket.revents & (POLLIN | POLLERR | POLLHUP)) != 0 && PQconsumeInput(c) == 0) {
      return lost(doing);
    }
  }
}

Result<ResultPtr> Postgres::last_result(std::string_view sql) {
  const int64_t until = real_env().mono_ns() + options_.statement_ms_max * 1'000'000;
  ResultPtr last;
  std::optional<Error> failed;
  for (;;) {
    TRY(wait(until, sql));
    ResultPtr result(PQgetResult(connection_.get()));
    if (result == nullptr) break;
    const ExecStatusType status = PQresultStatus(result.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && !failed) {
      failed = failure(result.get(), sql);
    }
    last = std::move(result);
  }
  if (failed) return std::move(*failed);
  if (last == nullptr) return lost(sql);
  return last;
}

Error Postgres::failure(const PGresult* result, std::string_view sql) const {
  const char* const field = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const std::string_view state = field == nullptr ? "" : field;
  const std::string_view code = state.empty() ? "E0507" : code_of_state(state);
  const std::string_view hint =
      code != "E0507"      ? ""
      : state == kReadOnly ? "the server takes no writes, as a standby; give the address of the "
                             "primary, or all of them with target_session_attrs=read-write"
                           : "is the server up? weft worker tries again by itself";
  // The primary message alone: details repeat values of the row.
  const char* primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const char* said = primary != nullptr ? primary : PQresultErrorMessage(result);
  return make_error(std::string(code), fmt::format("{} in {}", trim(said), quoted(sql, 120)),
                    std::string(hint));
}

Result<Postgres::Bound> Postgres::bind(Values values) {
  Bound out;
  out.texts.reserve(values.size());  // pointers into them are kept
  for (const Value& value : values) {
    const bool blob = value.kind() == Kind::kBlob;
    switch (value.kind()) {
      case Kind::kInt64:
        out.texts.push_back(fmt::format("{}", value.int64()));
        break;
      case Kind::kDouble:
        out.texts.push_back(fmt::format("{}", value.float64()));
        break;
      default:
        out.texts.emplace_back(value.bytes());
    }
    const bool null = value.kind() == Kind::kNull;
    out.types.push_back(null                            ? 0
                        : blob                          ? kOidBytea
                        : value.kind() == Kind::kInt64  ? kOidInt8
                        : value.kind() == Kind::kDouble ? kOidFloat8
                                                        : kOidText);
    if (!blob && out.texts.back().find('\0') != std::string::npos) {
      return make_error("E0513", "PostgreSQL takes no text with a zero byte",
                        "encode such data, for example as base64");
    }
    out.pointers.push_back(null ? nullptr : out.texts.back().c_str());
    out.lengths.push_back(static_cast<int>(out.texts.back().size()));
    out.formats.push_back(blob ? 1 : 0);
  }
  return out;
}

Status Postgres::send_prepared(const std::string& name, const Bound& bound, std::string_view sql) {
  if (PQsendQueryPrepared(connection_.get(), name.c_str(), static_cast<int>(bound.texts.size()),
                          bound.pointers.data(), bound.lengths.data(), bound.formats.data(),
                          0) == 0) {
    return lost(sql);
  }
  return ok_status();
}

Result<ResultPtr> Postgres::execute(std::string_view sql, Values values) {
  TRY(drain());
  const Bound bound = TRY(bind(values));
  if (const auto known = prepared_.find(std::string(sql)); known != prepared_.end()) {
    TRY(send_prepared(known->second, bound, sql));
    return last_result(sql);
  }
  if (PQsendQueryParams(connection_.get(), std::string(sql).c_str(),
                        static_cast<int>(values.size()), bound.types.data(),
                        bound.pointers.data(), bound.lengths.data(), bound.formats.data(),
                        0) == 0) {
    return lost(sql);
  }
  return last_result(sql);
}

// A group of changes is a hundred statements: one after the other each would wait for its answer,
// in a pipeline they share one round trip. Each is planned once a connection.
Status Postgres::post(std::string_view sql, Values values) {
  PGconn* const c = connection_.get();
  const Bound bound = TRY(bind(values));
  if (posted_ == 0 && PQenterPipelineMode(c) == 0) return lost(sql);
  posted_ += 1;
  auto known = prepared_.find(std::string(sql));
  if (known == prepared_.end() && prepared_.size() < kPreparedMax) {
    std::string name = fmt::format("weft{}", ++names_);
    if (PQsendPrepare(c, name.c_str(), std::string(sql).c_str(),
                      static_cast<int>(bound.types.size()), bound.types.data()) == 0) {
      return lost(sql);
    }
    ++posted_;
    known = prepared_.emplace(std::string(sql), std::move(name)).first;
  }
  if (known == prepared_.end()) {
    TRY(drain());
    TRY(execute(sql, values));
    return ok_status();
  }
  TRY(send_prepared(known->second, bound, sql));
  return posted_ < kPostedMax ? ok_status() : drain();
}

// Hears the answers to what was posted, and leaves the pipeline.
Status Postgres::drain() {
  if (posted_ == 0) return ok_status();
  PGconn* const c = connection_.get();
  constexpr std::string_view doing = "a group of changes";
  posted_ = 0;
  if (PQpipelineSync(c) == 0) return lost(doing);
  const int64_t until = real_env().mono_ns() + options_.statement_ms_max * 1'000'000;
  std::optional<Error> failed;
  for (bool synced = false; !synced;) {
    TRY(wait(until, doing));
    const ResultPtr result(PQgetResult(c));
    if (result == nullptr) {  // the end of one statement's answers
      if (PQstatus(c) == CONNECTION_BAD) return lost(doing);
      continue;
    }
    const ExecStatusType status = PQresultStatus(result.get());
    synced = status == PGRES_PIPELINE_SYNC;
    const bool good = synced || status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ||
                      status == PGRES_PIPELINE_ABORTED;
    if (!good && !failed) failed = failure(result.get(), doing);
  }
  if (PQexitPipelineMode(c) == 0) return lost(doing);
  if (!failed) return ok_status();
  prepared_.clear();  // what was to be prepared behind the error was not
  return std::move(*failed);
}

// The address without its password.
std::string shown(const std::string& url) {
  const size_t at = url.rfind('@');
  const size_t colon = url.find(':', url.find("://") + 3);
  if (at == std::string::npos || colon == std::string::npos || colon > at) return url;
  return url.substr(0, colon) + ":…" + url.substr(at);
}

}  // namespace

Result<PostgresConnection> connect_postgres(const PostgresOptions& options) {
  const auto refused = [&](std::string_view why) {
    return make_error("E0501",
                      fmt::format("cannot open the store {}: {}", quoted(shown(options.url), 300),
                                  trim(why)),
                      "expected postgres://USER@HOST:PORT/DATABASE of a server that runs");
  };
  ConnectionPtr connection(PQconnectStart(options.url.c_str()));
  CHECK(connection != nullptr, "out of memory");
  const int64_t until = real_env().mono_ns() + options.connect_ms_max * 1'000'000;
  PostgresPollingStatusType state = PGRES_POLLING_WRITING;
  while (PQstatus(connection.get()) != CONNECTION_BAD && state != PGRES_POLLING_OK) {
    pollfd socket{PQsocket(connection.get()),
                  static_cast<short>(state == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
    const int64_t left_ms = (until - real_env().mono_ns()) / 1'000'000;
    if (left_ms <= 0) return refused("it does not answer");
    if (::poll(&socket, 1, static_cast<int>(left_ms)) <= 0) continue;
    state = PQconnectPoll(connection.get());
    if (state == PGRES_POLLING_FAILED) break;
  }
  if (PQstatus(connection.get()) != CONNECTION_OK) {
    return refused(PQerrorMessage(connection.get()));
  }
  PQsetnonblocking(connection.get(), 1);
  PQsetNoticeProcessor(connection.get(), [](void*, const char*) {}, nullptr);
  return connection;
}

bool is_postgres_url(std::string_view text) {
  return text.starts_with("postgres://") || text.starts_with("postgresql://");
}

Result<std::unique_ptr<Db>> open_postgres(const PostgresOptions& options) {
  auto db = std::make_unique<Postgres>(TRY(connect_postgres(options)), options);
  TRY(db->script(kSession));
  return Result<std::unique_ptr<Db>>(std::move(db));
}

}  // namespace weft::store
