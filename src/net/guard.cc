// SPDX-License-Identifier: Apache-2.0
#include "net/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/strings.h"
#include "net/address.h"

namespace weft::net {
namespace {

char lower_letter(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_token(std::string_view text) {
  constexpr std::string_view kSigns = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    const bool letter = lower_letter(c) >= 'a' && lower_letter(c) <= 'z';
    return letter || (c >= '0' && c <= '9') || kSigns.find(c) != kSigns.npos;
  });
}

struct Dialled {
  AddressKind kind;
  std::string text;
};

std::optional<Dialled> dialled(const sockaddr& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &address, sizeof(v4));
    Ipv4 bytes;
    std::memcpy(bytes.data(), &v4.sin_addr, bytes.size());
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text));
    return Dialled{kind_of(bytes), text};
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &address, sizeof(v6));
    Ipv6 bytes;
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text));
    return Dialled{kind_of(bytes), text};
  }
  return std::nullopt;
}

}  // namespace

bool Guard::is_allowed_host(const Url& url) const {
  const std::string with_port = fmt::format("{}:{}", url.host, url.port);
  return std::any_of(policy_.allowed_hosts.begin(), policy_.allowed_hosts.end(),
                     [&](const std::string& allowed) {
                       return same_header_name(allowed, url.host) ||
                              same_header_name(allowed, with_port);
                     });
}

std::optional<Error> Guard::refusal(const Url& url) const {
  if (!behind_proxy_ || is_allowed_host(url)) return std::nullopt;
  return make_error("E0801",
                    fmt::format("the host {} is not among the allowed hosts, and behind a proxy "
                                "only these are called", quoted(url.host)),
                    "add it to the allowed hosts of the configuration");
}

std::optional<Error> Guard::refusal(const Url& url, const sockaddr& address) const {
  if (behind_proxy_ || is_allowed_host(url)) return std::nullopt;
  const auto target = dialled(address);
  if (!target) return make_error("E0801", fmt::format("{}: not an IP address", url.host));
  const bool inside = target->kind == AddressKind::kLoopback ||
                      target->kind == AddressKind::kPrivate;
  if (target->kind == AddressKind::kPublic || (inside && policy_.allow_private)) {
    return std::nullopt;
  }
  return make_error("E0801",
                    fmt::format("{} leads to {}, {}, which is not called", quoted(url.host),
                                target->text, kind_name(target->kind)),
                    fmt::format("if it is meant, allow the host: weft run --allow-host {}",
                                url.host));
}

bool same_header_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower_letter(x) == lower_letter(y); });
}

const std::string* find_request_header(const Request& request, std::string_view name) {
  for (const Header& header : request.headers) {
    if (same_header_name(header.name, name)) return &header.value;
  }
  return nullptr;
}

Status check_request(const Request& request) {
  const auto bad = [](std::string message, std::string hint = {}) {
    return make_error("E0802", std::move(message), std::move(hint));
  };
  if (!is_token(request.method) || request.method == "CONNECT") {
    return bad(fmt::format("method {} is no HTTP method", quoted(request.method)),
               "write GET, POST, PUT, PATCH, DELETE or HEAD");
  }
  constexpr std::array<std::string_view, 5> kOurs = {"Content-Length", "Transfer-Encoding",
                                                     "Connection", "Upgrade", "TE"};
  for (const Header& header : request.headers) {
    if (!is_token(header.name)) {
      return bad(fmt::format("header name {} is not a token", quoted(header.name)),
                 "letters, digits and '-'");
    }
    for (const std::string_view ours : kOurs) {
      if (same_header_name(header.name, ours)) {
        return bad(fmt::format("header {} is set by the client itself", ours), "leave it away");
      }
    }
    const bool control =
        std::any_of(header.value.begin(), header.value.end(), [](char c) {
          return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F;
        });
    if (control) {
      return bad(fmt::format("the value of header {} contains a control character", header.name),
                 "a line break cannot stand in a header");
    }
  }
  if (request.connect_timeout_ms < 1 || request.total_timeout_ms < 1 ||
      request.redirects_max < 0) {
    return bad("timeouts must be at least 1 ms and redirects at least 0");
  }
  return ok_status();
}

bool may_repeat(const Request& request) {
  return request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS" ||
         find_request_header(request, "Idempotency-Key") != nullptr;
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

Status check_redirect(const Url& from, const Url& to) {
  if (from.scheme == "https" && to.scheme == "http") {
    return make_error("E0809", fmt::format("{} redirects from https to http at {}, which is not "
                                           "followed", from.host, to.host),
                      "ask for the last address directly if it is meant");
  }
  return ok_status();
}

void redirect(Request& request, int status, bool same_origin) {
  const bool post = request.method == "POST";
  const bool becomes_get = (status == 303 && request.method != "HEAD") ||
                           ((status == 301 || status == 302) && post);
  if (becomes_get) {
    request.method = "GET";
    request.body.clear();
  }
  std::erase_if(request.headers, [&](const Header& header) {
    const auto is = [&](std::string_view name) { return same_header_name(header.name, name); };
    if (becomes_get && is("Content-Type")) return true;
    return !same_origin && !is("Accept") && !is("Accept-Language") && !is("Content-Type") &&
           !is("Range") && !is("User-Agent");
  });
}

}  // namespace weft::net
