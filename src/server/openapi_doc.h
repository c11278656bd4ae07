// SPDX-License-Identifier: Apache-2.0
//
// The OpenAPI 3.1 document of this server, made from the table of routes itself, so that it can
// neither forget a route nor invent one. What a route is for, and the shapes of what goes in and
// comes out, stand in openapi_doc.cc; a route that is not described there is shown all the same.
//
// Shapes say what clients can rely on; fields of OpenAI's API are OpenAI's to describe.
#pragma once

#include <span>
#include <string_view>

#include "base/json.h"

namespace weft::server {

struct RouteFacts {
  std::string_view method, pattern, action;
};
json::Object openapi_document(std::span<const RouteFacts> routes);
// Descriptions that no route has; empty, unless somebody forgot one here.
std::vector<std::string> openapi_strays(std::span<const RouteFacts> routes);

}  // namespace weft::server
