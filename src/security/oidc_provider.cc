// SPDX-License-Identifier: Apache-2.0
#include "security/oidc_provider.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "base/strings.h"
#include "net/url.h"

namespace weft::security {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kHoldNs = 3600 * kSecondNs;
constexpr int64_t kKeysAgainNs = 10 * kSecondNs;
constexpr int64_t kAnswerMs = 10'000;
constexpr size_t kAnswerBytesMax = size_t{256} << 10;

Error provider_fails(std::string message, std::string hint = {}) {
  if (hint.empty()) hint = "try again; the administrator sees why in the log and the audit";
  return make_error("E0780", std::move(message), std::move(hint));
}

std::string member(const json::Object& object, std::string_view name) {
  const json::Value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

bool lists(const json::Object& object, std::string_view name, std::string_view wanted) {
  const json::Value* value = object.if_contains(name);
  const json::Array* list = value != nullptr ? value->if_array() : nullptr;
  return list != nullptr && std::ranges::any_of(*list, [&](const json::Value& one) {
    return one.is_string() && one.as_string() == wanted;
  });
}

bool is_true(const json::Object& object, std::string_view name) {
  const json::Value* value = object.if_contains(name);
  return value != nullptr && value->is_bool() && value->as_bool();
}

}  // namespace

Result<ProviderFacts> parse_provider(std::string_view text, const std::string& issuer) {
  const auto document = json::parse(text, {.depth_max = 32, .bytes_max = kAnswerBytesMax});
  if (!document.ok() || !document->is_object()) {
    return provider_fails("the identity provider's configuration is no JSON object");
  }
  const json::Object& object = document->as_object();
  if (member(object, "issuer") != issuer) {
    return provider_fails(fmt::format("the identity provider calls itself {}, weft.yaml says {}",
                                      quoted(member(object, "issuer")), quoted(issuer)),
                          "oidc: 'issuer' must be the same text, to the last slash");
  }
  ProviderFacts out;
  const auto endpoint = [&](std::string_view name, std::string& place, bool needed) -> Status {
    place = member(object, name);
    if (place.empty() && !needed) return ok_status();
    const auto url = net::parse_url(place);
    if (url.ok() && (url->scheme == "https" || issuer.starts_with("http://"))) return ok_status();
    return provider_fails(fmt::format("the identity provider's {} is {}, expected an https URL",
                                      name, quoted(place)));
  };
  TRY(endpoint("authorization_endpoint", out.authorization, true));
  TRY(endpoint("token_endpoint", out.token, true));
  TRY(endpoint("jwks_uri", out.keys, true));
  TRY(endpoint("end_session_endpoint", out.end_session, false));
  TRY(endpoint("userinfo_endpoint", out.userinfo, false));
  constexpr std::string_view kMethods = "token_endpoint_auth_methods_supported";
  out.basic_secret = !object.contains(kMethods) || lists(object, kMethods, "client_secret_basic");
  out.names_issuer = is_true(object, "authorization_response_iss_parameter_supported");
  return out;
}

void OidcProvider::ask(net::Request request, std::string_view what, Body then) {
  request.connect_timeout_ms = kAnswerMs / 2;
  request.total_timeout_ms = kAnswerMs;
  request.response_bytes_max = kAnswerBytesMax;
  request.redirects_max = 0;
  client_.send(std::move(request), [what = std::string(what), then = std::move(then)](
                                       Result<net::Response> answer) {
    if (!answer.ok()) {
      Error error = provider_fails(fmt::format("the identity provider does not answer ({})", what));
      error.cause = std::make_shared<const Error>(std::move(answer).error());
      return then(std::move(error));
    }
    if (answer->status != 200) {
      return then(provider_fails(fmt::format("the identity provider answers {} ({}): {}",
                                             answer->status, what, quoted(answer->body, 200))));
    }
    then(std::move(answer->body));
  });
}

void OidcProvider::facts(Facts then) {
  if (env_.mono_ns() < facts_until_ns_) return then(facts_);
  net::Request request;
  request.url = issuer_;
  while (request.url.ends_with('/')) request.url.pop_back();
  request.url += "/.well-known/openid-configuration";
  ask(std::move(request), "configuration",
      [self = shared_from_this(), then = std::move(then)](Result<std::string> text) {
        if (!text.ok()) return then(std::move(text).error());
        auto facts = parse_provider(*text, self->issuer_);
        if (facts.ok()) {
          self->facts_ = *facts;
          self->facts_until_ns_ = self->env_.mono_ns() + kHoldNs;
        }
        then(std::move(facts));
      });
}

void OidcProvider::keys_for(const TokenHead& head, Keys then) {
  const int64_t now = env_.mono_ns();
  if (keys_ && now < keys_until_ns_) {
    if (keys_->knows(head.algorithm, head.key) || now < unknown_until_ns_) return then(keys_);
    unknown_until_ns_ = now + kKeysAgainNs;
  }
  facts([self = shared_from_this(), then = std::move(then)](Result<ProviderFacts> found) {
    if (!found.ok()) return then(std::move(found).error());
    self->read_keys(*found, then);
  });
}

void OidcProvider::read_keys(const ProviderFacts& facts, Keys then) {
  net::Request request;
  request.url = facts.keys;
  ask(std::move(request), "keys",
      [self = shared_from_this(), then = std::move(then)](Result<std::string> text) {
        if (!text.ok()) return then(std::move(text).error());
        auto keys = JwkSet::parse(*text);
        if (!keys.ok()) return then(std::move(keys).error());
        self->keys_ = std::make_shared<const JwkSet>(std::move(*keys));
        self->keys_until_ns_ = self->env_.mono_ns() + kHoldNs;
        then(self->keys_);
      });
}

}  // namespace weft::security
