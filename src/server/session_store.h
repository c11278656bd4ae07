// SPDX-License-Identifier: Apache-2.0
//
// Between what this process knows of sessions (access.h) and what the store does
// (security/sessions.h): a secret that was never seen here is looked for before its request goes
// on, a sign-in is told when it is stored, a sign-out counts here at once and on other servers
// within a second. All on the loop; the store is asked on the pool.
#pragma once

#include <functional>

#include "security/sessions.h"
#include "server/context.h"

namespace weft::server {

// False: there is nothing to look for. Else `done` is called when access knows.
bool look_up_session(ServerContext& context, const net::HttpRequest& request,
                     std::function<void()> done);
// `then` hears whether it is stored; if not, the session is void.
void keep_session(ServerContext& context, const security::StoredSession& session,
                  std::function<void(Status)> then);
void drop_session(ServerContext& context, const std::string& hash, std::function<void()> then);
// Looks once a second who has signed out elsewhere.
void watch_sessions(ServerContext& context);

}  // namespace weft::server
