// SPDX-License-Identifier: Apache-2.0
//
// The rules of outbound requests, apart from the machinery that sends them: which addresses may be
// dialled, what a well-formed request is, what a redirect may change. Pure.
#pragma once

#include <optional>

#include "net/client.h"
#include "net/url.h"

struct sockaddr;

namespace weft::net {

class Guard {
 public:
  // `policy` must outlive the guard.
  Guard(const AddressPolicy& policy, bool behind_proxy)
      : policy_(policy), behind_proxy_(behind_proxy) {}

  // Before anything is resolved: why this host is not called, or nothing. E0801.
  std::optional<Error> refusal(const Url& url) const;
  // With the address that is about to be dialled for it. E0801.
  std::optional<Error> refusal(const Url& url, const sockaddr& address) const;

 private:
  bool is_allowed_host(const Url& url) const;

  const AddressPolicy& policy_;
  bool behind_proxy_;
};

bool same_header_name(std::string_view a, std::string_view b);
const std::string* find_request_header(const Request& request, std::string_view name);

// Method and headers are tokens, values without control characters, nothing that would change
// where the message ends, limits that make sense. E0802.
Status check_request(const Request& request);

// The request may reach the server twice without harm: GET, HEAD, OPTIONS, or an Idempotency-Key.
bool may_repeat(const Request& request);

bool is_redirect(int status);
// E0809: from https to http.
Status check_redirect(const Url& from, const Url& to);
// Changes the request for its next hop: method and body as browsers do (303, and 301 and 302 of a
// POST, become GET), headers by origin.
void redirect(Request& request, int status, bool same_origin);

}  // namespace weft::net
