// SPDX-License-Identifier: Apache-2.0
#include "store/postgres.h"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

#include "base/env.h"
#include "base/strings.h"

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

struct ResultDeleter {
  void operator()(PGresult* result) const { PQclear(result); }
};
using ResultPtr = std::unique_ptr<PGresult, ResultDeleter>;

struct ConnectionDeleter {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
using ConnectionPtr = std::unique_ptr<PGconn, ConnectionDeleter>;

// SQLSTATE to our codes: what a caller can do about it decides.
std::string_view code_of(std::string_view state) {
  if (state.starts_with("53100")) return "E0503";  // disk full
  if (state == "40001" || state == "40P01" || state == "55P03") return "E0504";
  if (state.starts_with("08") || state.starts_with("57P") || state == "25P03") return "E0507";
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
  Status script(std::string_view sql) override {
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
    if (PQtransactionStatus(connection_.get()) != PQTRANS_IDLE) (void)script("ROLLBACK");
  }
  Result<int64_t> now_ms() override {
    auto rows = TRY(query("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
                          Values()));
    const bool found = TRY(rows->next());
    CHECK(found, "a scalar query yields one row");
    return rows->int64(0);
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
  Result<ResultPtr> execute(std::string_view sql, Values values);
  Result<ResultPtr> last_result(std::string_view sql);
  Status wait(int64_t until_ns, std::string_view doing);

  ConnectionPtr connection_;
  PostgresOptions options_;
};

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
      const char* state = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
      const std::string_view code = state == nullptr ? "E0507" : code_of(state);
      failed = make_error(std::string(code),
                          fmt::format("{} in {}", trim(PQresultErrorMessage(result.get())),
                                      quoted(sql, 120)),
                          code == "E0507" ? "is the server up? weft worker tries again by itself"
                                          : "");
    }
    last = std::move(result);
  }
  if (failed) return std::move(*failed);
  if (last == nullptr) return lost(sql);
  return last;
}

Result<ResultPtr> Postgres::execute(std::string_view sql, Values values) {
  std::vector<Oid> types;
  std::vector<std::string> texts;
  std::vector<const char*> pointers;
  std::vector<int> lengths;
  std::vector<int> formats;
  texts.reserve(values.size());  // pointers into them are kept
  for (const Value& value : values) {
    const bool blob = value.kind() == Kind::kBlob;
    switch (value.kind()) {
      case Kind::kInt64:
        texts.push_back(fmt::format("{}", value.int64()));
        break;
      case Kind::kDouble:
        texts.push_back(fmt::format("{}", value.float64()));
        break;
      default:
        texts.emplace_back(value.bytes());
    }
    const bool null = value.kind() == Kind::kNull;
    types.push_back(null                            ? 0
                    : blob                          ? kOidBytea
                    : value.kind() == Kind::kInt64  ? kOidInt8
                    : value.kind() == Kind::kDouble ? kOidFloat8
                                                    : kOidText);
    if (!blob && texts.back().find('\0') != std::string::npos) {
      return make_error("E0506", "PostgreSQL takes no text with a zero byte",
                        "encode such data, for example as base64");
    }
    pointers.push_back(null ? nullptr : texts.back().c_str());
    lengths.push_back(static_cast<int>(texts.back().size()));
    formats.push_back(blob ? 1 : 0);
  }
  if (PQsendQueryParams(connection_.get(), std::string(sql).c_str(),
                        static_cast<int>(values.size()), types.data(), pointers.data(),
                        lengths.data(), formats.data(), 0) == 0) {
    return lost(sql);
  }
  return last_result(sql);
}

// The address without its password.
std::string shown(const std::string& url) {
  const size_t at = url.rfind('@');
  const size_t colon = url.find(':', url.find("://") + 3);
  if (at == std::string::npos || colon == std::string::npos || colon > at) return url;
  return url.substr(0, colon) + ":…" + url.substr(at);
}

Result<ConnectionPtr> connect(const PostgresOptions& options) {
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

}  // namespace

bool is_postgres_url(std::string_view text) {
  return text.starts_with("postgres://") || text.starts_with("postgresql://");
}

Result<std::unique_ptr<Db>> open_postgres(const PostgresOptions& options) {
  auto db = std::make_unique<Postgres>(TRY(connect(options)), options);
  TRY(db->script(kSession));
  return Result<std::unique_ptr<Db>>(std::move(db));
}

}  // namespace weft::store
