// SPDX-License-Identifier: Apache-2.0
//
// Sign-in of people by an identity provider: OpenID Connect, authorization code with PKCE
// (RFC 7636). The browser is sent there and comes back with a code, which is worth a token about
// the person; the token is checked (id_token) and becomes a Caller (oidc_claims). Where it has no
// groups, the provider's userinfo endpoint is asked for them first.
//
//   begin: state, nonce, verifier, cookie --> provider --> finish: state, code --> token
//     --> (userinfo) --> Caller
//
// A state is good once, for ten minutes, in the browser that began it: what comes back without the
// cookie was begun by somebody else. Tokens are dropped when they have been read; nothing is
// refreshed, a session simply ends. States live in memory, bounded. On the loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/error.h"
#include "net/client.h"
#include "security/oidc_claims.h"
#include "security/oidc_provider.h"

namespace weft::security {

struct OidcOptions {
  std::string issuer;         // empty: nobody signs in this way
  std::string client_id;
  std::string client_secret;  // empty: a public client, PKCE alone
  std::string redirect_url;   // of this server, as browsers reach it: …/session/oidc/callback
  std::vector<std::string> scopes = {"openid", "email"};
  std::string label;          // of the button; empty: the issuer's host
  std::string ca_file;        // PEM of a private authority
  ClaimRules rules;
  bool userinfo = true;       // is asked for what the token does not say
  int64_t session_us = int64_t{12} * 3600 * 1'000'000;
  bool leave_provider = false;  // signing out goes on at the provider

  bool given() const { return !issuer.empty(); }
};

// Of all that decides who somebody from there is here: changed, people sign in anew.
std::string rules_digest(const OidcOptions& options);

class Oidc : public std::enable_shared_from_this<Oidc> {
 public:
  static constexpr int64_t kPendingUs = int64_t{600} * 1'000'000;

  Oidc(Env& env, net::Client& client, OidcOptions options);
  const OidcOptions& options() const { return options_; }

  struct Begun {
    std::string url;     // where the browser goes
    std::string cookie;  // what it must bring back
  };
  // E0780.
  void begin(std::function<void(Result<Begun>)> then);

  struct Returned {
    std::string state, code, issuer, error;  // of the query
    std::string cookie;
  };
  // E0780 the provider fails, E0781 not begun here or over, E0782 the token, E0783 no entry.
  void finish(const Returned& returned, std::function<void(Result<Caller>)> then);

  // Where signing out goes on; empty: nowhere.
  std::string leave_url() const;
  size_t pending() const { return pending_.size(); }

 private:
  struct Pending {
    std::string nonce, verifier, cookie;
    int64_t end_us = 0;
  };
  using Then = std::function<void(Result<Caller>)>;
  Result<Begun> begun(const ProviderFacts& facts);
  Result<Pending> take(const Returned& returned);
  void exchange(const ProviderFacts& facts, const std::string& code, const Pending& pending,
                Then then);
  struct Tokens {
    std::string id, access;
  };
  static Result<Tokens> tokens_of(std::string_view answer);
  void believe(const Tokens& tokens, const std::string& nonce, const std::string& userinfo,
               Then then);
  void ask_userinfo(const std::string& url, const std::string& access, json::Object claims,
                    Then then);

  Env& env_;
  const OidcOptions options_;
  const std::shared_ptr<OidcProvider> provider_;
  std::map<std::string, Pending> pending_;  // by digest of the state
  std::string end_session_;
};

}  // namespace weft::security
