// SPDX-License-Identifier: Apache-2.0
//
// What an identity provider says about itself: its endpoints (OpenID Connect Discovery 1.0) and
// its keys. Both are asked for when they are first needed and again after an hour; keys also when a
// token names one that is not known, so a provider may change its keys at any time, but not more
// often than every ten seconds, so that invented names cost it nothing.
//
// A provider that is down or slow is an error for whoever signs in, and for nobody else: the server
// starts and works without it. On the io_context of the client.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/error.h"
#include "net/client.h"
#include "security/id_token.h"
#include "security/jwk.h"

namespace weft::security {

struct ProviderFacts {
  std::string authorization;   // endpoints
  std::string token;
  std::string keys;
  std::string end_session;     // empty: it has none
  std::string userinfo;        // empty: it has none
  bool basic_secret = true;    // the client's secret as HTTP Basic; else in the body
  bool names_issuer = false;   // its answers carry `iss` (RFC 9207)
};
// Out of its configuration document. E0780: not what it should be, or of another issuer; endpoints
// of an https issuer must be https.
Result<ProviderFacts> parse_provider(std::string_view text, const std::string& issuer);

class OidcProvider : public std::enable_shared_from_this<OidcProvider> {
 public:
  OidcProvider(Env& env, net::Client& client, std::string issuer)
      : env_(env), client_(client), issuer_(std::move(issuer)) {}

  // Both are called later or at once. E0780.
  using Facts = std::function<void(Result<ProviderFacts>)>;
  void facts(Facts then);
  using Keys = std::function<void(Result<std::shared_ptr<const JwkSet>>)>;
  void keys_for(const TokenHead& head, Keys then);

  // A request to the provider with the limits that all of them have; an answer that is no 200, or
  // no answer, is E0780.
  using Body = std::function<void(Result<std::string>)>;
  void ask(net::Request request, std::string_view what, Body then);
  const std::string& issuer() const { return issuer_; }

 private:
  void read_keys(const ProviderFacts& facts, Keys then);

  Env& env_;
  net::Client& client_;
  const std::string issuer_;
  ProviderFacts facts_;
  int64_t facts_until_ns_ = -1;  // of the monotonic clock
  std::shared_ptr<const JwkSet> keys_;
  int64_t keys_until_ns_ = -1;
  int64_t unknown_until_ns_ = -1;  // names that are not known are not asked for again until then
};

}  // namespace weft::security
