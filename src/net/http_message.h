// SPDX-License-Identifier: Apache-2.0
//
// HTTP requests and answers as plain data, for those who serve them. The target is taken apart
// here, once and strictly: segments of the path are decoded one by one, so that an escaped slash
// never becomes a border, and what could mean two things ("..", NUL, broken escapes, bytes that
// are no UTF-8) is refused instead of guessed.
//
// No sockets here (http_server has them) and no meaning of paths (http_router).
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace weft::net {

struct Header {
  std::string name, value;
};
// The first header of that name (without case), or nullptr.
const std::string* find_header(const std::vector<Header>& headers, std::string_view name);

using Parameters = std::vector<std::pair<std::string, std::string>>;
// The first value of that name, or nullptr.
const std::string* find_parameter(const Parameters& parameters, std::string_view name);

// What a request asks for: "/runs/a%2Fb?limit=3" is {"runs", "a/b"} and {limit, 3}.
struct Target {
  std::vector<std::string> segments;
  Parameters query;
};
// Of origin form ("/path?query") or absolute form ("http://host/path"). E0820.
Result<Target> parse_target(std::string_view target);

struct HttpRequest {
  std::string method;
  std::string target;  // as it was sent
  std::vector<std::string> segments;
  Parameters query;
  Parameters parameters;  // of the route: {task_id} and the like
  std::vector<Header> headers;
  std::string body;
  std::string peer;  // "127.0.0.1"
  std::shared_ptr<const void> caller;  // who asks, as the server's guard found out; its own type

  const std::string* header(std::string_view name) const { return find_header(headers, name); }
  // A parameter of the route that was matched; asking for another name is a bug.
  const std::string& parameter(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::vector<Header> headers;
  std::string body;
};

std::string_view reason_phrase(int status);

// The status line and headers of an answer, with the empty line that ends them. Characters that
// would end a header early are replaced by spaces.
std::string response_head(int status, const std::vector<Header>& headers);

}  // namespace weft::net
