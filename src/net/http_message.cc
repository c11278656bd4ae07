// SPDX-License-Identifier: Apache-2.0
#include "net/http_message.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"

namespace weft::net {
namespace {

constexpr size_t kSegmentsMax = 32;
constexpr size_t kQueryMax = 64;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equal_names(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char low = lower(c);
  return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

Error malformed(std::string_view target, std::string_view why) {
  return make_error("E0820", fmt::format("the request target {} {}", quoted(target), why),
                    "send a path such as /v1/models, with other characters as %XX");
}

// One segment, name or value. In queries a plus sign is a space.
Result<std::string> decoded(std::string_view text, bool plus_is_space, std::string_view target) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 1 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return malformed(target, "has a broken escape");
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  if (out.find('\0') != std::string::npos) return malformed(target, "holds a NUL");
  if (invalid_utf8_at(out)) return malformed(target, "is not UTF-8");
  return out;
}

// "http://host/path" without its scheme and host.
std::string_view path_and_query(std::string_view target) {
  const size_t scheme = target.find("://");
  if (scheme == std::string_view::npos || target.starts_with('/')) return target;
  const size_t path = target.find('/', scheme + 3);
  return path == std::string_view::npos ? std::string_view("/") : target.substr(path);
}

Result<Parameters> parse_query(std::string_view query, std::string_view target) {
  Parameters out;
  if (query.empty()) return out;
  for (const std::string_view part : split(query, '&')) {
    if (part.empty()) continue;
    if (out.size() == kQueryMax) return malformed(target, "has too many parameters");
    const size_t equals = part.find('=');
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1);
    out.emplace_back(TRY(decoded(part.substr(0, equals), true, target)),
                     TRY(decoded(value, true, target)));
  }
  return out;
}

}  // namespace

const std::string* find_header(const std::vector<Header>& headers, std::string_view name) {
  for (const Header& header : headers) {
    if (equal_names(header.name, name)) return &header.value;
  }
  return nullptr;
}

const std::string* find_parameter(const Parameters& parameters, std::string_view name) {
  for (const auto& [key, value] : parameters) {
    if (key == name) return &value;
  }
  return nullptr;
}

const std::string& HttpRequest::parameter(std::string_view name) const {
  const std::string* value = find_parameter(parameters, name);
  CHECK(value != nullptr, "the route has no parameter {}", name);
  return *value;
}

Result<Target> parse_target(std::string_view target) {
  std::string_view rest = path_and_query(target);
  rest = rest.substr(0, rest.find('#'));
  const size_t mark = rest.find('?');
  const std::string_view path = rest.substr(0, mark);
  if (!path.starts_with('/')) return malformed(target, "does not begin with /");
  Target out;
  for (const std::string_view segment : split(path.substr(1), '/')) {
    if (out.segments.size() == kSegmentsMax) return malformed(target, "has too many segments");
    out.segments.push_back(TRY(decoded(segment, false, target)));
    const std::string_view text = out.segments.back();
    if (text == "." || text == "..") return malformed(target, "holds a segment of dots");
  }
  // "/v1/models/" means "/v1/models"; "/" has no segments.
  if (!out.segments.empty() && out.segments.back().empty()) out.segments.pop_back();
  if (mark != std::string_view::npos) {
    out.query = TRY(parse_query(rest.substr(mark + 1), target));
  }
  return out;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 302: return "Found";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 507: return "Insufficient Storage";
    default: return "Status";
  }
}

std::string response_head(int status, const std::vector<Header>& headers) {
  std::string out = fmt::format("HTTP/1.1 {} {}\r\n", status, reason_phrase(status));
  for (const Header& header : headers) {
    const size_t begin = out.size();
    out += header.name;
    out += ": ";
    out += header.value;
    for (size_t i = begin; i < out.size(); ++i) {
      if (static_cast<unsigned char>(out[i]) < 0x20) out[i] = ' ';
    }
    out += "\r\n";
  }
  out += "\r\n";
  return out;
}

}  // namespace weft::net
