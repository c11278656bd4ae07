// SPDX-License-Identifier: Apache-2.0
//
// The table of everything the server answers, on one screen, with the permission that each route
// takes. Who asks, `access` finds out; which route a request means, net/http_router.
#pragma once

#include <vector>

#include "net/http_server.h"
#include "server/access.h"
#include "server/context.h"
#include "server/openapi_doc.h"

namespace weft::server {

net::HttpRouter make_router(ServerContext& context);
// The table, for those who describe it.
std::vector<RouteFacts> route_facts();

// Sets guard, refusal and observer of the options; the guard is the context's.
void set_access(ServerContext& context, net::HttpServerOptions& options);

}  // namespace weft::server
