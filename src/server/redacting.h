// SPDX-License-Identifier: Apache-2.0
//
// Answers about runs, with what must not be shown taken out of them (security/redaction): an
// Exchange around an Exchange, put there by the table of routes, so that no handler and no later
// route can forget it. The store keeps what was written; what leaves it this way is redacted.
//
// Events are redacted one by one as they are written; texts that models write piece by piece are
// not (a number may be cut in two), so pieces of progress are left out altogether.
#pragma once

#include <memory>

#include "net/http_server.h"
#include "security/redaction.h"

namespace weft::server {

// `rules` outlives the exchange.
std::shared_ptr<net::Exchange> redacting(std::shared_ptr<net::Exchange> exchange,
                                         const security::Redaction& rules);

}  // namespace weft::server
