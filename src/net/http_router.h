// SPDX-License-Identifier: Apache-2.0
//
// Which handler answers a request: a table of method and path pattern ("/workflows/{task_id}"),
// read from top to bottom. The whole table of a program fits one screen; that is its idea.
//
// No wildcards over several segments, no regular expressions: two routes that fit one request are
// a bug that add() finds.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/http_message.h"

namespace weft::net {

class Exchange;  // http_server.h

using HttpHandler = std::function<void(std::shared_ptr<Exchange>)>;

constexpr size_t kDefaultBodyBytesMax = size_t{10} << 20;

struct HttpRoute {
  std::string method;   // "GET"; also answers HEAD
  std::string pattern;  // a segment in braces takes any text that is not empty
  HttpHandler handler;
  size_t body_bytes_max = kDefaultBodyBytesMax;
};

class HttpRouter {
 public:
  void add(HttpRoute route);

  struct Match {
    const HttpRoute* route = nullptr;  // null: 404 if `allowed` is empty, else 405
    Parameters parameters;
    std::vector<std::string> allowed;  // methods that this path has
  };
  Match find(std::string_view method, const std::vector<std::string>& segments) const;

  // "GET /v1/models", in order.
  std::vector<std::string> names() const;

 private:
  struct Entry {
    HttpRoute route;
    std::vector<std::string> segments;
  };
  std::vector<std::unique_ptr<Entry>> entries_;  // addresses of routes stay
};

}  // namespace weft::net
