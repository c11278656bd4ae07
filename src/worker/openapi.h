// SPDX-License-Identifier: Apache-2.0
//
// An API's own description (OpenAPI 3.0 or 3.1) as tools of a workflow: each operation becomes one
// declaration in the form of `tools:`, an http step whose URL, query, headers and body come from
// arguments (openapi_operation.h). Pure; references within the document are followed and written
// out (openapi_schema.h).
//
// Nothing is left out in silence: what an http step cannot send, what only the user can give
// (credentials) and every operation that cannot be taken over stands in `notes`.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace weft::worker {

struct OpenapiOptions {
  std::vector<std::string> operations = {};  // by name; empty: all
  std::string server = {};    // where the API is, whatever the document says
  std::string base_url = {};  // what the document's own servers are relative to
};

struct OpenapiTools {
  json::Array tools;               // each with a name of its own
  std::vector<std::string> notes;  // "NAME: what", one line each
};

// E0629: not such a document, no operation of a name, one of `operations` or all of them cannot be
// taken over.
Result<OpenapiTools> tools_of_openapi(const json::Value& document, const OpenapiOptions& options);

}  // namespace weft::worker
