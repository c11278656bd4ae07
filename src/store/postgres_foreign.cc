// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <charconv>
#include <memory>
#include <tuple>
#include <utility>

#include "base/env.h"
#include "base/strings.h"
#include "store/foreign.h"

namespace weft::store {
namespace {

struct Closer {
  void operator()(PGconn* connection) const { PQfinish(connection); }
  void operator()(PGresult* result) const { PQclear(result); }
};
using Connection = std::unique_ptr<PGconn, Closer>;
using Answer = std::unique_ptr<PGresult, Closer>;

constexpr int kLookMs = 50;           // between two looks whether somebody still waits
constexpr int64_t kCancelMs = 5'000;  // that the server may take to heed a cancel

// Types of pg_type that JSON has words for.
constexpr Oid kBool = 16, kInt8 = 20, kInt2 = 21, kInt4 = 23, kJson = 114, kFloat4 = 700,
              kFloat8 = 701, kJsonb = 3802;

// What the server says may repeat values of the statement, but no password.
Error refused(PGconn* connection, const PGresult* result) {
  const char* state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : nullptr;
  if (state == nullptr) {
    return make_error("E0507", fmt::format("the database is gone: {}",
                                           trim(PQerrorMessage(connection))));
  }
  const bool reading = std::string_view(state) == "25006";
  return make_error("E0626", std::string(trim(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY))),
                    reading ? "the connection is granted for reading only" : "");
}

Status run(PGconn* connection, const std::string& sql) {
  const Answer answer(PQexec(connection, sql.c_str()));
  if (PQresultStatus(answer.get()) == PGRES_COMMAND_OK) return ok_status();
  return refused(connection, answer.get());
}

Result<json::Value> value_of(const PGresult* result, int row, int column) {
  if (PQgetisnull(result, row, column) != 0) return json::Value();
  const std::string_view text(PQgetvalue(result, row, column),
                              static_cast<size_t>(PQgetlength(result, row, column)));
  switch (PQftype(result, column)) {
    case kBool:
      return json::Value(text == "t");
    case kInt2:
    case kInt4:
    case kInt8: {
      int64_t number = 0;
      std::from_chars(text.data(), text.data() + text.size(), number);
      return json::Value(number);
    }
    case kFloat4:
    case kFloat8:
    case kJson:
    case kJsonb: {
      auto value = json::parse(text);  // NaN and Infinity stay text
      return value.ok() ? std::move(*value) : json::Value(text);
    }
    default:
      return json::Value(text);
  }
}

// Values as text, and the server finds out the types.
Result<std::vector<std::optional<std::string>>> values_of(const NumberedSql& numbered,
                                                          const json::Object& args) {
  std::vector<std::optional<std::string>> values;
  for (const std::string& name : numbered.names) {
    const json::Value* value = args.if_contains(name);
    if (value == nullptr) {
      return make_error("E0626", fmt::format(":{} has no value in args", name));
    }
    if (value->is_structured()) {
      return make_error("E0626", "a value to bind is text, a number, a boolean or null");
    }
    if (value->is_null()) {
      values.emplace_back(std::nullopt);
    } else {
      values.emplace_back(value->is_string() ? std::string(value->get_string())
                                             : json::dump(*value));
    }
    if (values.back() && values.back()->find('\0') != std::string::npos) {
      return make_error("E0626", fmt::format(":{} holds a zero byte", name));
    }
  }
  if (values.size() == args.size()) return values;
  return make_error("E0626", fmt::format("args has {} values, the statement takes {}", args.size(),
                                         values.size()));
}

class RowReader {
 public:
  explicit RowReader(const ForeignQuery& query) : query_(query) {}

  Status add(const PGresult* result) {
    for (int row = 0; row < PQntuples(result); ++row) {
      if (std::ssize(rows_) >= query_.rows_max) {
        more_ = true;
        break;
      }
      json::Object out;
      for (int i = 0; i < PQnfields(result); ++i) {
        bytes_ += static_cast<size_t>(PQgetlength(result, row, i));
        if (bytes_ > query_.bytes_max) {
          return make_error("E0626", fmt::format("the answer is larger than {} bytes",
                                                 query_.bytes_max), "select less");
        }
        out[PQfname(result, i)] = TRY(value_of(result, row, i));
      }
      rows_.push_back(std::move(out));
    }
    count_changed(result);
    return ok_status();
  }
  bool more() const { return more_; }
  json::Object take() {
    return {{"rows", std::move(rows_)}, {"more", more_}, {"changed", changed_}};
  }

 private:
  // RETURNING ends with rows, not with a plain "command ok"; the tag tells it from a SELECT, whose
  // number is of rows read.
  void count_changed(const PGresult* result) {
    auto* ended = const_cast<PGresult*>(result);
    const std::string_view tag = PQcmdStatus(ended);
    if (PQresultStatus(result) != PGRES_COMMAND_OK && tag.starts_with("SELECT")) return;
    const std::string_view tuples = PQcmdTuples(ended);
    std::from_chars(tuples.data(), tuples.data() + tuples.size(), changed_);
  }

  const ForeignQuery& query_;
  json::Array rows_;
  size_t bytes_ = 0;
  int64_t changed_ = 0;
  bool more_ = false;
};

// What the server answers, result by result, as long as somebody waits for it. Then the server is
// told to cancel; one that does not is left alone, and rolls back what it was asked.
class Hearing {
 public:
  Hearing(PGconn* connection, const ForeignQuery& query)
      : connection_(connection), query_(query) {}

  // Null: there are no more.
  Answer next() {
    while (PQisBusy(connection_) != 0) {
      if (query_.stopped()) {
        cancel();
        if (real_env().mono_ns() - cancelled_ns_ > kCancelMs * 1'000'000) return nullptr;
      }
      pollfd file{PQsocket(connection_), POLLIN, 0};
      if (file.fd < 0) break;
      ::poll(&file, 1, kLookMs);
      if (file.revents != 0 && PQconsumeInput(connection_) == 0) break;
    }
    return Answer(PQgetResult(connection_));  // of a broken connection: its error
  }
  Answer last() {
    Answer last;
    while (Answer answer = next()) last = std::move(answer);
    return last;
  }
  void cancel() {
    if (cancelled_ns_ != 0) return;  // each takes a connection of its own
    const std::unique_ptr<PGcancel, void (*)(PGcancel*)> cancel(PQgetCancel(connection_),
                                                                PQfreeCancel);
    char message[256];
    PQcancel(cancel.get(), message, sizeof message);
    cancelled_ns_ = real_env().mono_ns();
  }

 private:
  PGconn* const connection_;
  const ForeignQuery& query_;
  int64_t cancelled_ns_ = 0;  // 0: it was not
};

// A read-only transaction still lets COPY write the server's files and start its programs, DO run
// code, SET change the session. What reads has columns, and that is known before it runs.
Status check_reads(PGconn* connection, const std::string& sql, Hearing& hearing) {
  if (PQsendPrepare(connection, "", sql.c_str(), 0, nullptr) == 0) {
    return refused(connection, nullptr);
  }
  const Answer parsed = hearing.last();
  if (PQresultStatus(parsed.get()) != PGRES_COMMAND_OK) return refused(connection, parsed.get());
  if (PQsendDescribePrepared(connection, "") == 0) return refused(connection, nullptr);
  const Answer described = hearing.last();
  if (PQresultStatus(described.get()) != PGRES_COMMAND_OK) {
    return refused(connection, described.get());
  }
  if (PQnfields(described.get()) > 0) return ok_status();
  return make_error("E0626", "the statement answers with no rows, so it is not one that reads",
                    "the connection is granted for reading only");
}

Result<json::Object> ask(PGconn* connection, const NumberedSql& statement,
                         const ForeignQuery& query) {
  const auto values = TRY(values_of(statement, query.args));
  std::vector<const char*> pointers;
  for (const auto& value : values) pointers.push_back(value ? value->c_str() : nullptr);
  Hearing hearing(connection, query);
  if (!query.writes) TRY(check_reads(connection, statement.sql, hearing));
  if (PQsendQueryParams(connection, statement.sql.c_str(), static_cast<int>(pointers.size()),
                        nullptr, pointers.data(), nullptr, nullptr, 0) == 0) {
    return refused(connection, nullptr);
  }
  PQsetSingleRowMode(connection);  // rows beyond the limit never reach this process's memory
  RowReader reader(query);
  Status status = ok_status();
  while (const Answer answer = hearing.next()) {
    const ExecStatusType kind = PQresultStatus(answer.get());
    if (kind != PGRES_SINGLE_TUPLE && kind != PGRES_TUPLES_OK && kind != PGRES_COMMAND_OK) {
      // Behind rows that were too many for a reader this is only our own cancel.
      const bool ours = reader.more() && !query.writes;
      if (status.ok() && !ours) status = refused(connection, answer.get());
      continue;
    }
    if (status.ok()) status = reader.add(answer.get());
    // A write is heard to its end, or it would be rolled back although its rows were told.
    if (!status.ok() || (reader.more() && !query.writes)) hearing.cancel();
  }
  TRY(std::move(status));
  return reader.take();
}

// A transaction that has failed is ended by COMMIT without an error: only the tag says so.
Status commit(PGconn* connection) {
  const Answer answer(PQexec(connection, "COMMIT"));
  if (PQresultStatus(answer.get()) != PGRES_COMMAND_OK) return refused(connection, answer.get());
  if (std::string_view(PQcmdStatus(answer.get())) == "COMMIT") return ok_status();
  return make_error("E0626", "the database rolled the statement back");
}

// Keepalives: a host that vanishes in the middle of a statement holds this thread for half a
// minute, not for the hours of TCP. Before dbname, so that the address may say otherwise. E0501:
// nothing was asked yet.
Result<Connection> open_transaction(const std::string& url, const ForeignQuery& query) {
  const std::string seconds = std::to_string(std::clamp<int64_t>(query.timeout_ms / 1000, 2, 60));
  const std::pair<const char*, const char*> settings[] = {
      {"keepalives_idle", "10"}, {"keepalives_interval", "5"},        {"keepalives_count", "3"},
      {"tcp_user_timeout", "30000"}, {"dbname", url.c_str()}, {"connect_timeout", seconds.c_str()},
      {"application_name", "weft"},  {nullptr, nullptr}};
  const char* keys[std::size(settings)];
  const char* values[std::size(settings)];
  for (size_t i = 0; i < std::size(settings); ++i) std::tie(keys[i], values[i]) = settings[i];
  Connection connection(PQconnectdbParams(keys, values, 1));
  if (PQstatus(connection.get()) != CONNECTION_OK) {
    return make_error("E0501", "the database cannot be reached",
                      "look at its address and at the server's log");
  }
  PQsetNoticeReceiver(connection.get(), [](void*, const PGresult*) {}, nullptr);
  for (const std::string& sql :
       {std::string(query.writes ? "BEGIN" : "BEGIN READ ONLY"),
        fmt::format("SET LOCAL statement_timeout = {}", query.timeout_ms)}) {
    Status status = run(connection.get(), sql);
    if (!status.ok() && status.error().code == "E0507") {
      return make_error("E0501", status.error().message);
    }
    TRY(std::move(status));
  }
  return connection;
}

}  // namespace

Result<json::Object> ask_postgres(const std::string& url, const ForeignQuery& query) {
  const NumberedSql statement = TRY(numbered(query.sql));
  const Connection connection = TRY(open_transaction(url, query));
  auto answer = ask(connection.get(), statement, query);
  if (query.stopped()) return make_error("E0626", "the statement was stopped");
  json::Object out = TRY(std::move(answer));
  if (query.writes) TRY(commit(connection.get()));  // else it ends with the connection
  return out;
}

}  // namespace weft::store
