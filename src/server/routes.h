// SPDX-License-Identifier: Apache-2.0
//
// The table of everything the server answers, on one screen, and who may ask: requests of other
// web pages and with foreign Host names are refused, for a browser would carry them into a server
// that listens on this machine only; with keys, every request but health needs one.
#pragma once

#include <string>
#include <vector>

#include "net/http_server.h"
#include "server/context.h"

namespace weft::server {

net::HttpRouter make_router(ServerContext& context);

struct AccessOptions {
  std::vector<std::string> keys;     // any of them as "Authorization: Bearer KEY"; empty: no key
  std::vector<std::string> origins;  // web pages that may ask, as "https://example.com"
  bool loopback = true;              // the Host header must name this machine
};
// Sets guard, refusal and observer of the options.
void set_access(ServerContext& context, AccessOptions access, net::HttpServerOptions& options);

}  // namespace weft::server
