// SPDX-License-Identifier: Apache-2.0
//
// Errors under /v1 in OpenAI's form: {"error": {message, type, param, code}}. Three kinds only:
// the caller's fault (4xx, with the field and a hint), try later (429 and 503 with Retry-After),
// ours (500; 507 is a model that the memory budget can never hold). `code` is OpenAI's word where
// it has one that clients know, else weft's own, which has a page.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "net/http_message.h"

namespace weft::server {

// 400, 403, 404, 409, 429, 500, 503, 507, by the error's code.
int status_of(const Error& error);

// What a request calls the values of which other layers speak in words of their own.
struct RequestWords {
  std::string prompt = "messages";    // that is too long
  std::string tokens = "max_tokens";  // that are too few
  std::string form = {};              // which member gave the answer's form; empty: none
};
// The same error beginning with the member it is about, as all those of the request's reader do:
// "guided_json: #/properties/a: …".
Error in_request_words(Error error, const RequestWords& words);

// `param` is what the message begins with, up to a colon, where that is a path into the request.
json::Object openai_error_body(const Error& error);
net::HttpResponse openai_error(const Error& error);
// For what the HTTP server itself refuses.
net::HttpResponse openai_refusal(int status, std::string_view message);

// 200 with a JSON body.
net::HttpResponse json_response(const json::Value& body, int status = 200);

}  // namespace weft::server
