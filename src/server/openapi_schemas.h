// SPDX-License-Identifier: Apache-2.0
//
// The shapes of requests and answers, as `components.schemas` of the OpenAPI document has them:
// what clients can rely on. Requests name every field there is, because the server refuses others;
// answers may grow fields, so theirs stay open.
//
// They are held to the running server by tests/e2e/validated_test.py. Not here: which route has
// which shape (openapi_doc.cc), and shapes of OpenAI's API, which are OpenAI's to describe.
#pragma once

#include "base/json.h"

namespace weft::server {

json::Object openapi_schemas();

}  // namespace weft::server
