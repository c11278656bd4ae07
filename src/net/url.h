// SPDX-License-Identifier: Apache-2.0
//
// HTTP addresses, read by the same parser that dials them (libcurl's): two parsers that disagree
// about where the host ends are how address guards are passed by. No user names in URLs: they
// would end in logs; credentials are headers.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace weft::net {

struct Url {
  std::string text;    // normalised, without fragment
  std::string scheme;  // "http" or "https"
  std::string host;    // lower case, IPv6 in brackets
  int port = 0;        // 80 and 443 where the text says none

  bool same_origin(const Url& other) const {
    return scheme == other.scheme && host == other.host && port == other.port;
  }
};

// E0802.
Result<Url> parse_url(std::string_view text);
// For an address that was put together from values: E0802 if a segment of its path is "." or "..",
// however it is written ("%2e%2e", "..%2F", "..;x"), for clients, proxies and servers take such a
// segment out together with the one before it, and the request would go elsewhere.
Status refuse_dot_segments(std::string_view text);
// What `reference` (of a Location header) means at `base`. E0802.
Result<Url> resolve_url(const Url& base, std::string_view reference);
// With the parameters appended to the query, percent-encoded. E0802.
Result<Url> with_query(const Url& url,
                       const std::vector<std::pair<std::string, std::string>>& parameters);

}  // namespace weft::net
