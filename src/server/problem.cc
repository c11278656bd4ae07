// SPDX-License-Identifier: Apache-2.0
#include "server/problem.h"

#include "base/json.h"
#include "server/openai_error.h"

namespace weft::server {
namespace {

int problem_status(const Error& error) {
  const std::string_view code = error.code;
  if (code == "E0601" || code == "E0753" || code == "E0767") return 404;
  if (code == "E0760") return 401;
  if (code == "E0754" || code == "E0757" || code == "E0614") return 409;
  if (code == "E0756") return 412;
  if (code == "E0613") return 403;
  if (code == "E0907") return 502;  // another server's model answered what is no draft
  if (code.starts_with("E03") || code.starts_with("E04")) return 422;
  if (code == "E0513") return 422;  // what was sent cannot be stored
  // What a definition names is not here.
  if (code == "E0602" || code == "E0616" || code == "E0633") return 422;
  return status_of(error);
}

net::HttpResponse response(int status, json::Object body) {
  net::HttpResponse out = json_response(body, status);
  out.headers[0].value = "application/problem+json";
  return out;
}

}  // namespace

net::HttpResponse problem(const Error& error, json::Object more) {
  const int status = problem_status(error);
  json::Object body{{"type", "about:blank"},
                    {"title", net::reason_phrase(status)},
                    {"status", status},
                    {"detail", error.message},
                    {"code", error.code}};
  if (!error.hint.empty()) body["hint"] = error.hint;
  for (auto& member : more) body[member.key()] = member.value();
  return response(status, std::move(body));
}

net::HttpResponse problem(int status, std::string_view detail) {
  return response(status, {{"type", "about:blank"},
                           {"title", net::reason_phrase(status)},
                           {"status", status},
                           {"detail", detail}});
}

}  // namespace weft::server
