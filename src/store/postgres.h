// SPDX-License-Identifier: Apache-2.0
//
// PostgreSQL behind store/db.h, for many workers on many machines: libpq's asynchronous calls under
// one poll(2) with a time limit, so that a server or a network that says nothing any more ends in
// an error instead of a thread that hangs.
//
// Writers run side by side: who writes for a worker holds that worker's row (share_lock), and
// claims pass over rows that others are claiming (skip_locked). A client that stops in the middle
// of a transaction loses it after ten seconds, so that it cannot hold up those who take over.
//
// Errors as in db.h, and E0507: the server is gone, or takes no writes as a standby; what was being
// committed may be on disk or not.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "store/db.h"

namespace weft::store {

struct PostgresOptions {
  std::string url;                  // postgres://user@host:port/database?…
  int64_t connect_ms_max = 10'000;
  int64_t statement_ms_max = 60'000;
};

// Whether `text` names a PostgreSQL store: postgres://… or postgresql://….
bool is_postgres_url(std::string_view text);

Result<std::unique_ptr<Db>> open_postgres(const PostgresOptions& options);

}  // namespace weft::store
