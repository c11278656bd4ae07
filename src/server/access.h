// SPDX-License-Identifier: Apache-2.0
//
// Who asks, and whether they may: looked at before a request's body is read. Requests of other web
// pages and with foreign Host names are refused, for a browser would carry them into a server that
// listens on this machine only; with keys, every request but health needs one.
//
// What a route needs stands in the table of routes.cc; where the answer depends on what the body or
// the store says (which model, whose run), handlers ask again, with caller_of.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "net/http_message.h"
#include "security/permission.h"

namespace weft::server {

struct AccessOptions {
  std::vector<std::string> keys;     // any of them as "Authorization: Bearer KEY", for everything
  std::vector<std::string> origins;  // web pages that may ask, as "https://example.com"
  bool loopback = true;              // the Host header must name this machine
};

struct Refusal {
  int status = 0;  // 0: welcome
  std::string why = {};
  int64_t retry_after_s = 0;
};

class Access {
 public:
  explicit Access(AccessOptions options);

  // Notes the caller in the request. `action`: what the route needs; "": nothing.
  Refusal look(net::HttpRequest& request, std::string_view action);

 private:
  Refusal foreign(const net::HttpRequest& request) const;
  bool has_key(const net::HttpRequest& request) const;

  const AccessOptions options_;
  std::vector<std::string> hashes_;
};

// Whom Access has found; this machine's user where it was not asked.
const security::Caller& caller_of(const net::HttpRequest& request);

}  // namespace weft::server
