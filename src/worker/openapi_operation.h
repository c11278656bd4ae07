// SPDX-License-Identifier: Apache-2.0
//
// Internal to openapi: one operation of an API as the declaration of a tool. Path, query and header
// parameters become arguments, each sent as its `style` and `explode` say; a body of JSON, a form
// or plain text becomes the argument `body`. What an http step cannot send, or only whoever runs it
// can know (credentials), is told in `notes`, one line each; what is required and cannot be sent
// makes it an error. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "worker/openapi_schema.h"

namespace weft::worker {

// Where an operation stands in its document.
struct OpenapiPlace {
  const json::Value& document;
  const json::Value& item;       // of `paths`, its reference followed
  const json::Value& operation;
  std::string path;              // "/customers/{id}"
  std::string method;            // "get"
  std::string server;            // absolute, without '/' at its end
};

struct OpenapiTool {
  json::Object declaration;
  std::vector<std::string> notes;
};

// E0629: it cannot be called by an http step, and why.
Result<OpenapiTool> tool_of_operation(OpenapiSchemas& schemas, const OpenapiPlace& place,
                                      const std::string& name);

}  // namespace weft::worker
