// SPDX-License-Identifier: Apache-2.0
//
// A connection to PostgreSQL, made within a time limit and without blocking calls. Only the units
// that speak to the server include this.
#pragma once

#include <libpq-fe.h>

#include <memory>

#include "base/error.h"
#include "store/postgres.h"

namespace weft::store {

struct PostgresResultDeleter {
  void operator()(PGresult* result) const { PQclear(result); }
};
using PostgresResult = std::unique_ptr<PGresult, PostgresResultDeleter>;

struct PostgresConnectionDeleter {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
using PostgresConnection = std::unique_ptr<PGconn, PostgresConnectionDeleter>;

// Non-blocking from then on. E0501: the server is not there, does not answer or refuses.
Result<PostgresConnection> connect_postgres(const PostgresOptions& options);

// What Db::hint() tells and PostgresHints listens to.
constexpr const char* kHintChannel = "weft_work";

}  // namespace weft::store
