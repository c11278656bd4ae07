// SPDX-License-Identifier: Apache-2.0
//
// Errors under /v1 in OpenAI's form: {"error": {message, type, param, code}}. Three kinds only:
// the caller's fault (4xx, with the field and a hint), try later (429 and 503 with Retry-After),
// ours (500). `code` is OpenAI's word where it has one that clients know, else weft's own, which
// has a page.
#pragma once

#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "net/http_message.h"

namespace weft::server {

// 400, 404, 500, 503, by the error's code.
int status_of(const Error& error);

json::Object openai_error_body(const Error& error);
net::HttpResponse openai_error(const Error& error);
// For what the HTTP server itself refuses.
net::HttpResponse openai_refusal(int status, std::string_view message);

// 200 with a JSON body.
net::HttpResponse json_response(const json::Value& body, int status = 200);

}  // namespace weft::server
