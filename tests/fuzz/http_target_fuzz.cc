// SPDX-License-Identifier: Apache-2.0
//
// Targets of HTTP requests: what is accepted has no way out of its path and is UTF-8 throughout,
// and the router finds at most one handler for it.
// sources: src/net/http_message.cc src/net/http_router.cc
#include <cstdint>
#include <string_view>

#include "base/strings.h"
#include "net/http_message.h"
#include "net/http_router.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto target = weft::net::parse_target(text);
  if (!target.ok()) return 0;
  for (const std::string& segment : target->segments) {
    CHECK(segment != ".." && segment != "." && segment.find('\0') == std::string::npos);
    CHECK(!weft::invalid_utf8_at(segment));
  }
  for (const auto& [name, value] : target->query) {
    CHECK(!weft::invalid_utf8_at(name) && !weft::invalid_utf8_at(value));
  }
  weft::net::HttpRouter router;
  for (const char* pattern : {"/", "/v1/models", "/v1/models/{id}", "/workflows/{id}/events"}) {
    router.add({.method = "GET", .pattern = pattern,
                .handler = [](const std::shared_ptr<weft::net::Exchange>&) {}});
  }
  const auto match = router.find("GET", target->segments);
  for (const auto& [name, value] : match.parameters) CHECK(!value.empty());
  return 0;
}
