// SPDX-License-Identifier: Apache-2.0
#include "server/access.h"

#include <algorithm>
#include <memory>

#include "base/digest.h"

namespace weft::server {
namespace {

// "127.0.0.1:8700", "[::1]:8700", "localhost" -> without the port.
std::string_view host_of(std::string_view authority) {
  if (authority.starts_with('[')) return authority.substr(0, authority.find(']') + 1);
  return authority.substr(0, authority.find(':'));
}

bool names_this_machine(std::string_view host) {
  return host == "localhost" || host == "[::1]" || host.starts_with("127.") ||
         host.ends_with(".localhost");
}

bool own_origin(std::string_view origin, const std::string* host) {
  const size_t scheme = origin.find("://");
  return scheme != origin.npos && host != nullptr && origin.substr(scheme + 3) == *host;
}

security::Caller everything() {
  security::Caller caller;
  caller.everything = true;
  return caller;
}

}  // namespace

Access::Access(AccessOptions options) : options_(std::move(options)) {
  for (const std::string& key : options_.keys) hashes_.push_back(sha256_hex(key));
}

Refusal Access::foreign(const net::HttpRequest& request) const {
  const std::string* host = request.header("Host");
  if (options_.loopback && host != nullptr && !names_this_machine(host_of(*host))) {
    return {403, "the Host header names another machine than this one"};
  }
  const std::string* origin = request.header("Origin");
  if (origin == nullptr || own_origin(*origin, host) ||
      std::ranges::find(options_.origins, *origin) != options_.origins.end()) {
    return {};
  }
  return {403, "web pages of that origin may not ask here; start the server with --allow-origin"};
}

// Hashes are compared, so that the time it takes says nothing about a key.
bool Access::has_key(const net::HttpRequest& request) const {
  const std::string* header = request.header("Authorization");
  if (header == nullptr || !header->starts_with("Bearer ")) return false;
  const std::string hash = sha256_hex(std::string_view(*header).substr(7));
  return std::ranges::find(hashes_, hash) != hashes_.end();
}

Refusal Access::look(net::HttpRequest& request, std::string_view action) {
  if (Refusal refusal = foreign(request); refusal.status != 0) return refusal;
  if (action.empty() || hashes_.empty() || has_key(request)) {
    static const auto all = std::make_shared<const security::Caller>(everything());
    request.caller = all;
    return {};
  }
  return {401, "an API key is needed: Authorization: Bearer KEY"};
}

const security::Caller& caller_of(const net::HttpRequest& request) {
  static const security::Caller local = everything();
  if (request.caller == nullptr) return local;
  return *static_cast<const security::Caller*>(request.caller.get());
}

}  // namespace weft::server
