// SPDX-License-Identifier: Apache-2.0
#include "net/http_router.h"

#include <algorithm>

namespace weft::net {
namespace {

bool is_parameter(std::string_view segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

bool fits(const std::vector<std::string>& pattern, const std::vector<std::string>& segments,
          Parameters& parameters) {
  if (pattern.size() != segments.size()) return false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (!is_parameter(pattern[i])) {
      if (pattern[i] != segments[i]) return false;
    } else if (segments[i].empty()) {
      return false;
    } else {
      parameters.emplace_back(pattern[i].substr(1, pattern[i].size() - 2), segments[i]);
    }
  }
  return true;
}

}  // namespace

void HttpRouter::add(HttpRoute route) {
  CHECK(route.handler != nullptr, "{} {} has no handler", route.method, route.pattern);
  auto target = parse_target(route.pattern);
  CHECK(target.ok() && target->query.empty(), "the pattern {} is no path", route.pattern);
  auto entry = std::make_unique<Entry>();
  entry->segments = std::move(target->segments);
  entry->route = std::move(route);
  for (const auto& other : entries_) {
    CHECK(other->route.method != entry->route.method || other->segments != entry->segments,
          "{} {} stands twice", entry->route.method, entry->route.pattern);
  }
  entries_.push_back(std::move(entry));
}

HttpRouter::Match HttpRouter::find(std::string_view method,
                                   const std::vector<std::string>& segments) const {
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  Match out;
  for (const auto& entry : entries_) {
    Parameters parameters;
    if (!fits(entry->segments, segments, parameters)) continue;
    if (entry->route.method == wanted) {
      out.route = &entry->route;
      out.parameters = std::move(parameters);
      return out;
    }
    if (std::ranges::find(out.allowed, entry->route.method) == out.allowed.end()) {
      out.allowed.push_back(entry->route.method);
    }
  }
  return out;
}

std::vector<std::string> HttpRouter::names() const {
  std::vector<std::string> out;
  for (const auto& entry : entries_) {
    out.push_back(entry->route.method + " " + entry->route.pattern);
  }
  return out;
}

}  // namespace weft::net
