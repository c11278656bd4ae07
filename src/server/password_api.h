// SPDX-License-Identifier: Apache-2.0
//
// Sign-in by name and password (security/people.h). The hash is computed on the pool, one at a time
// for an address and two in all, so that tries cost whoever makes them and not the server; who
// fails often waits, by address and by name. What was tried is never kept.
#pragma once

#include <string>

#include "server/access.h"
#include "server/context.h"

namespace weft::server {

void sign_in_by_password(ServerContext& context, const ExchangePtr& exchange, std::string name,
                         std::string password);

}  // namespace weft::server
