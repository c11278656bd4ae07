// SPDX-License-Identifier: Apache-2.0
//
// An API's own description (OpenAPI 3.0 or 3.1) as tools of a workflow: each operation becomes one
// declaration in the form of `tools:`, an http step whose URL, query and body come from arguments.
// Pure; references within the document are followed and written out.
//
// Not taken over: headers and cookies, bodies that are not JSON, security (add headers by hand).
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace weft::worker {

struct OpenapiOptions {
  std::vector<std::string> operations = {};  // by name; empty: all
  std::string server = {};                   // base URL; empty: the document's first
};

// A list of declarations. E0629: not such a document, a reference that leads nowhere or in circles,
// or no operation of a name.
Result<json::Array> tools_of_openapi(const json::Value& document, const OpenapiOptions& options);

}  // namespace weft::worker
