// SPDX-License-Identifier: Apache-2.0
//
// The one way out: HTTP(S) requests by libcurl, driven on an Asio io_context, never blocking it.
//
// The address guard: every connection is judged by the address that is dialled, after resolution,
// at each redirect and each retry, so that a name cannot lead into the private network, whatever
// DNS says. One client has one policy, because its pool of connections is shared by its requests.
// TLS certificates are always verified. The environment's proxies are ignored; behind the proxy of
// ClientOptions only the allowed hosts can be called, since the guard sees only the proxy there.
//
// An answer with status 404 or 500 is a Response; an Error means that there is no answer. Redirects
// are followed by hand: at most `redirects_max`, http(s) only, never from https to http, and
// headers of the caller other than Accept, Content-Type, Range and User-Agent stay with the first
// origin.
//
// Not thread-safe: create, use and destroy it on the thread that runs the io_context (one thread).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "net/http_message.h"

namespace boost::asio {
class io_context;
}

namespace weft::net {

struct AddressPolicy {
  bool allow_private = false;  // loopback and private networks; link-local stays refused
  // Names that may resolve to any address, and the only ones behind a proxy: "crm.internal",
  // "[::1]" or with a port "localhost:8000". Compared without case.
  std::vector<std::string> allowed_hosts;
};

struct ClientOptions {
  AddressPolicy policy;
  std::string proxy = {};    // "http://host:port"; empty: none
  std::string ca_file = {};  // PEM; empty: the system's
  std::string user_agent = "weft/0.1";
  int connections_max = 64;  // at once; further requests wait, within their timeout
};

struct Request {
  std::string method = "GET";  // a token, sent as it is
  std::string url;             // http or https
  std::vector<std::pair<std::string, std::string>> query;  // appended, percent-encoded here
  std::vector<Header> headers;
  std::string body;
  int64_t connect_timeout_ms = 10'000;
  int64_t total_timeout_ms = 300'000;  // over all redirects
  size_t response_bytes_max = size_t{16} << 20;  // after decompression
  int redirects_max = 5;
  // Gets the body piece by piece as it arrives, for statuses 200 to 299; Response::body is then
  // empty for these. It must not destroy the client.
  std::function<void(std::string_view)> on_body;
};

struct Response {
  int status = 0;
  std::vector<Header> headers;  // of the last hop, in order
  std::string body;
  std::string url;              // of the last hop
  int redirects = 0;
  int64_t elapsed_us = 0;
};
// The first header of that name (without case), or nullptr.
const std::string* find_header(const Response& response, std::string_view name);

class Client {
 public:
  using Done = std::function<void(Result<Response>)>;
  using CallId = uint64_t;

  Client(boost::asio::io_context& io, ClientOptions options);
  // Ends all requests: each Done is called with E0806.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Done is called exactly once, later, on the io_context (also for a malformed request). Errors:
  // E0801 address refused, E0802 malformed request, E0803 no connection (name, refused, reset),
  // E0804 TLS, E0805 timeout, E0806 cancelled, E0807 answer too large, E0808 broken answer, E0809
  // redirect refused.
  CallId send(Request request, Done done);
  // Ends a request: its Done is called with E0806, later. Nothing happens if it has ended already.
  void cancel(CallId id);

  size_t active() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace weft::net
