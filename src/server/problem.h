// SPDX-License-Identifier: Apache-2.0
//
// Errors of the workflow routes, as RFC 7807 "problem details" has them: {type, title, status,
// detail, code, hint}. Three kinds only, as under /v1: the caller's fault, try later, ours.
// Rejected: one error form for all routes; clients of /v1 know OpenAI's only.
#pragma once

#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "net/http_message.h"

namespace weft::server {

net::HttpResponse problem(const Error& error, json::Object more = {});
net::HttpResponse problem(int status, std::string_view detail);

}  // namespace weft::server
