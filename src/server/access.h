// SPDX-License-Identifier: Apache-2.0
//
// Who asks, and whether they may: looked at before a request's body is read. Requests of other web
// pages and with foreign Host names are refused, for a browser would carry them into a server that
// listens on this machine only. Where keys are needed, every request but health needs one, as
// "Authorization: Bearer KEY" or as a session's cookie; what it may then do, its roles say.
//
//   foreign page? → who is it? → within their limits? → may they? → handler
//
// What a route needs stands in the table of routes.cc; where the answer depends on what the body or
// the store says (which model, whose run), handlers ask again, with caller_of. On the loop; the
// pepper may be read from anywhere.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <set>
#include <vector>

#include "backend/backend.h"
#include "base/env.h"
#include "net/http_message.h"
#include "security/keys.h"
#include "security/limiter.h"
#include "security/permission.h"
#include "security/sessions.h"
#include "server/sessions.h"

namespace weft::server {

struct AccessOptions {
  std::vector<std::string> keys;     // any of them as "Authorization: Bearer KEY", for everything
  std::vector<std::string> origins;  // web pages that may ask, as "https://example.com"
  bool loopback = true;              // the Host header must name this machine
  bool secure = false;               // by TLS
  bool people = false;               // sign in at an identity provider; so nobody is let in bare
  std::string people_rules = {};     // digest of what makes them what they are here
  security::Secret pepper = {};
  int64_t requests_per_minute = 0;   // of a key that has no limit of its own; 0: none
  int64_t tokens_per_minute = 0;
};

// In place of an action: any key will do, whatever its roles.
inline constexpr std::string_view kAnyKey = "any key";
// What somebody with a wrong key was refused, for the records.
inline constexpr std::string_view kAuthenticate = "authenticate";

struct Refusal {
  int status = 0;  // 0: welcome
  std::string why = {};
  int64_t retry_after_s = 0;
};

class Access {
 public:
  Access(Env& env, AccessOptions options);

  // Notes the caller in the request. `action`: what the route needs; "": nothing.
  Refusal look(net::HttpRequest& request, std::string_view action);
  // Told of every refusal for want of a permission.
  using Witness = std::function<void(const security::Caller&, std::string_view action,
                                     const net::HttpRequest&)>;
  void on_refused(Witness witness) { witness_ = std::move(witness); }

  // Keys of the store; there having been one closes the server to those without.
  void set_keys(std::vector<security::Key> keys, std::string version);
  const std::string& keys_version() const { return version_; }
  // Whether there are people who sign in by password; there being one closes the server as well.
  void set_passwords(bool some) { passwords_ = some; }
  bool passwords() const { return passwords_; }
  bool keys_needed() const {
    return options_.people || passwords_ || !options_.loopback || !hashes_.empty() ||
           !ring_.empty();
  }
  const security::Secret& pepper() const { return options_.pepper; }
  bool secure() const { return options_.secure; }

  struct Opened {
    std::string secret, csrf;
    security::Caller caller;
    security::StoredSession stored;  // to be stored before anybody is told of it
  };
  // Nothing if the key opens nothing.
  std::optional<Opened> open_session(const net::HttpRequest& request, const std::string& key);
  // Of a person whom an identity provider named, or who has shown a password; a new secret,
  // whatever the browser came with.
  Opened open_person(security::Caller person, int64_t lifetime_us);
  // Not too often from one address.
  bool may_sign_in(const std::string& peer);
  // Of a password: 0, and end_try() must follow; or after so many seconds. One at a time from an
  // address, two in all; wrong ones are counted, by address and by name.
  int64_t begin_try(const std::string& peer, const std::string& name);
  void end_try(const std::string& peer, const std::string& name, bool good);
  // The hash under which the store has it; empty: it came with none.
  std::string close_session(const net::HttpRequest& request);
  void forget_session(const std::string& hash) { sessions_.forget(hash); }
  void forget_sessions() { sessions_.forget_all(); }

  // The secret of a session that the request comes with and that only the store may know. Empty:
  // there is nothing to look for. Whoever shows many such secrets is not looked for.
  std::string unknown_session(const net::HttpRequest& request);
  std::string session_hash(std::string_view secret) const { return sessions_.hash_of(secret); }
  // What the store says of it.
  void know_session(std::string_view secret, const std::optional<security::StoredSession>& found);

  // Of the session that the request comes with; else null.
  const std::string* csrf_of(const net::HttpRequest& request) const;

  // Of a request that began long ago: its key holds, and no key has closed the server since.
  bool still(const security::Caller& caller) const;
  // 429 for a key that has used up its tokens, of what uses more without asking look().
  Refusal over_tokens(const security::Caller& caller);

  // Tokens that a model has computed for the holder of the key ("" : nobody's).
  void charge(const std::string& key, int64_t tokens);

 private:
  struct Found {
    std::optional<security::Caller> caller;
    bool wrong = false;  // credentials were shown, and are none
    Refusal refusal = {};
  };
  Refusal foreign(const net::HttpRequest& request) const;
  Found identify(const net::HttpRequest& request);
  Found by_session(const net::HttpRequest& request, std::string_view secret);
  std::optional<security::Caller> by_text(std::string_view text) const;
  Refusal unknown(const net::HttpRequest& request, bool wrong);
  Refusal over_limit(const security::Caller& caller, std::string_view action);
  double rate(const std::string& key, bool tokens) const;
  std::string file_key(std::string_view text) const;
  std::string_view rules_of(std::string_view key) const;
  Opened opened(security::Caller caller, Session session);

  Env& env_;
  const AccessOptions options_;
  std::vector<std::string> hashes_;
  security::KeyRing ring_;
  std::string version_;
  Sessions sessions_;
  security::Limiter requests_;
  security::Limiter tokens_;
  security::Limiter failures_;  // by address
  security::Limiter signins_;   // by address
  security::Limiter lookups_;   // of sessions, by address
  security::Limiter tries_;     // wrong passwords, by address and by name
  std::set<std::string> trying_;  // addresses
  bool passwords_ = false;
  Witness witness_;
};

// Whom Access has found; this machine's user where it was not asked.
const security::Caller& caller_of(const net::HttpRequest& request);
// E0761 unless the caller may use that model.
Status may_use_model(const net::HttpRequest& request, std::string_view model);
Status may_manage_model(const net::HttpRequest& request, std::string_view model);
// What is kept for the caller's tenant is kept under this name, which no other tenant's can be.
std::string tenant_name(const net::HttpRequest& request, std::string_view name);
// Whose ceilings an answer to the caller counts against.
void charge_caller(const net::HttpRequest& request, backend::ChatRequest& chat);

}  // namespace weft::server
