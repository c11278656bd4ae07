// SPDX-License-Identifier: Apache-2.0
#include "server/openai_error.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "backend/answer_form.h"

namespace weft::server {
namespace {

struct Known {
  std::string_view codes;  // one, or the beginning of a range
  int status;
  std::string_view openai;  // OpenAI's word; empty: weft's own code
};

// The first that fits. What stands in no row is ours.
constexpr std::array kKnown = {
    Known{"E0731", 400, "context_length_exceeded"},
    Known{"E0710", 404, "model_not_found"},
    Known{"E0713", 503, "overloaded"},
    Known{"E0714", 503, "overloaded"},
    Known{"E0716", 507, "model_too_large"},
    Known{"E0715", 409, "model_in_use"},
    Known{"E0755", 404, "previous_response_not_found"},
    Known{"E0761", 403, "insufficient_privileges"},
    Known{"E0732", 500, ""},
    Known{"E0772", 503, "remote_unavailable"},
    Known{"E0774", 429, "insufficient_quota"},
    Known{"E001", 400, ""},  // JSON
    Known{"E002", 500, ""},
    Known{"E013", 400, ""},  // the template refuses these messages
    Known{"E03", 400, ""},   // schemas and grammars
    Known{"E04", 400, ""},   // workflow definitions
    Known{"E07", 400, ""},
};

const Known* known(std::string_view code) {
  for (const Known& row : kKnown) {
    if (code.starts_with(row.codes)) return &row;
  }
  return nullptr;
}

std::string_view type_of(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 429: return "rate_limit_error";
    case 500:
    case 507: return "server_error";
    case 503: return "service_unavailable_error";
    default: return "invalid_request_error";
  }
}

// OpenAI's words for what is refused before a route looks at it.
json::Value code_of(int status) {
  switch (status) {
    case 401: return "invalid_api_key";
    case 429: return "rate_limit_exceeded";
    case 503: return "overloaded";
    default: return {};
  }
}

// Codes of errors that may be about a member of the request.
constexpr std::array<std::string_view, 7> kOfMembers = {"E001", "E03", "E0712", "E0730",
                                                        "E0731", "E074", "E075"};

// Which member the error speaks of: what stands before the first colon, where it is a path.
// "the prompt has 5 tokens" and "line 1 column 2: …" have blanks there and are none.
json::Value param_of(const Error& error) {
  if (error.code == "E0710") return "model";
  const size_t colon = error.message.find(": ");
  const bool may_name = std::ranges::any_of(
      kOfMembers, [&](std::string_view codes) { return error.code.starts_with(codes); });
  if (colon == std::string::npos || colon == 0 || colon > 120 || !may_name) return nullptr;
  const std::string_view name = std::string_view(error.message).substr(0, colon);
  constexpr std::string_view kOfPaths =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.[]";
  const bool path = name.find_first_not_of(kOfPaths) == std::string_view::npos;
  return path ? json::Value(name) : json::Value();
}

json::Object body_of(std::string message, int status, json::Value param, json::Value code) {
  json::Object error{{"message", std::move(message)},
                     {"type", type_of(status)},
                     {"param", std::move(param)},
                     {"code", std::move(code)}};
  return {{"error", std::move(error)}};
}

}  // namespace

int status_of(const Error& error) {
  const Known* row = known(error.code);
  return row == nullptr ? 500 : row->status;
}

Error in_request_words(Error error, const RequestWords& words) {
  if (!words.form.empty()) {
    for (const std::string_view place : {backend::kSchemaPlace, backend::kRegexPlace,
                                         backend::kChoicePlace, backend::kEbnfPlace}) {
      if (!error.message.starts_with(std::string(place) + ": ")) continue;
      error.message.replace(0, place.size(), words.form);
      return error;
    }
  }
  if (!param_of(error).is_null()) return error;
  if (error.code == "E0731") return in_context(std::move(error), words.prompt);
  if (error.code == "E0326") return in_context(std::move(error), words.tokens);
  return error;
}

json::Object openai_error_body(const Error& error) {
  const Known* row = known(error.code);
  std::string message = error.message;
  if (!error.hint.empty()) message += ". hint: " + error.hint;
  for (const Error* cause = error.cause.get(); cause != nullptr; cause = cause->cause.get()) {
    message += "; " + cause->message;
  }
  const std::string_view code = row && !row->openai.empty() ? row->openai : error.code;
  return body_of(std::move(message), status_of(error), param_of(error), json::Value(code));
}

net::HttpResponse json_response(const json::Value& body, int status) {
  return {status, {{"Content-Type", "application/json"}}, json::dump(body)};
}

net::HttpResponse openai_error(const Error& error) {
  net::HttpResponse out = json_response(openai_error_body(error), status_of(error));
  if (out.status == 503) out.headers.push_back({"Retry-After", "1"});
  if (out.status == 507) out.headers.push_back({"x-should-retry", "false"});  // it never fits
  if (out.status == 429) {  // a ceiling: OpenAI's clients need not try again by themselves
    out.headers.push_back({"Retry-After", "60"});
    out.headers.push_back({"x-should-retry", "false"});
  }
  return out;
}

net::HttpResponse openai_refusal(int status, std::string_view message) {
  return json_response(body_of(std::string(message), status, nullptr, code_of(status)), status);
}

}  // namespace weft::server
