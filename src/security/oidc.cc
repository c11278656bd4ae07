// SPDX-License-Identifier: Apache-2.0
#include "security/oidc.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/base64.h"
#include "base/digest.h"
#include "base/strings.h"
#include "net/url.h"
#include "security/crypto.h"
#include "security/id_token.h"

namespace weft::security {
namespace {

constexpr size_t kPendingMax = 10'000;
constexpr size_t kCodeBytesMax = 4096;
constexpr size_t kStateCharacters = 52;  // 260 bits

Error not_begun(std::string_view why) {
  return make_error("E0781", fmt::format("this sign-in cannot be finished: {}", why),
                    "begin again at the sign-in page");
}

std::string form_text(const std::vector<std::pair<std::string, std::string>>& fields) {
  const auto encoded = [](std::string_view text) {
    std::string out;
    for (const char c : text) {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                         (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
      if (plain) {
        out += c;
      } else {
        out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
      }
    }
    return out;
  };
  std::string out;
  for (const auto& [name, value] : fields) {
    out += fmt::format("{}{}={}", out.empty() ? "" : "&", name, encoded(value));
  }
  return out;
}

// RFC 6749 §2.3.1: both are encoded as in a form before they are joined.
std::string basic(const std::string& id, const std::string& secret) {
  const std::string name = form_text({{"", id}}), word = form_text({{"", secret}});
  return "Basic " + base64(name.substr(1) + ":" + word.substr(1));
}

std::string digest_text(std::string_view text) {
  const Sha256 digest = sha256(text);
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

}  // namespace

std::string rules_digest(const OidcOptions& options) {
  const ClaimRules& rules = options.rules;
  std::vector<std::string> parts{options.issuer, options.client_id, rules.name, rules.roles,
                                 rules.tenant};
  for (const auto& [value, roles] : rules.map) {
    parts.push_back(value + "=" + join(roles, ","));
  }
  parts.push_back("everybody=" + join(rules.everybody, ","));
  return sha256_hex(join(parts, "\n"));
}

Oidc::Oidc(Env& env, net::Client& client, OidcOptions options)
    : env_(env), options_(std::move(options)),
      provider_(std::make_shared<OidcProvider>(env, client, options_.issuer)) {}

void Oidc::begin(std::function<void(Result<Begun>)> then) {
  provider_->facts([self = shared_from_this(), then = std::move(then)](auto facts) {
    if (!facts.ok()) return then(std::move(facts).error());
    then(self->begun(*facts));
  });
}

Result<Oidc::Begun> Oidc::begun(const ProviderFacts& facts) {
  end_session_ = facts.end_session;
  const int64_t now = env_.wall_us();
  std::erase_if(pending_, [&](const auto& entry) { return entry.second.end_us <= now; });
  if (pending_.size() >= kPendingMax) {
    pending_.erase(std::ranges::min_element(
        pending_, {}, [](const auto& entry) { return entry.second.end_us; }));
  }
  const std::string state = random_text(kStateCharacters);
  Pending fresh{random_text(kStateCharacters), random_text(kStateCharacters),
                random_text(kStateCharacters), now + kPendingUs};
  const net::Url url = TRY(net::with_query(
      TRY(net::parse_url(facts.authorization)),
      {{"response_type", "code"},
       {"client_id", options_.client_id},
       {"redirect_uri", options_.redirect_url},
       {"scope", join(options_.scopes, " ")},
       {"state", state},
       {"nonce", fresh.nonce},
       {"code_challenge", base64url(digest_text(fresh.verifier))},
       {"code_challenge_method", "S256"}}));
  Begun out{url.text, fresh.cookie};
  pending_[digest_text(state)] = std::move(fresh);
  return out;
}

// Whatever comes of it, a state is gone when it has been shown.
Result<Oidc::Pending> Oidc::take(const Returned& returned) {
  const auto found = pending_.find(digest_text(returned.state));
  if (found == pending_.end()) {
    return not_begun("it was not begun here, or has been finished already");
  }
  Pending pending = std::move(found->second);
  pending_.erase(found);
  if (env_.wall_us() >= pending.end_us) return not_begun("it took more than ten minutes");
  if (!equal(returned.cookie, pending.cookie)) return not_begun("it was begun by another browser");
  if (!returned.issuer.empty() && returned.issuer != options_.issuer) {
    return not_begun(fmt::format("another provider answers: {}", quoted(returned.issuer)));
  }
  if (!returned.error.empty()) {
    return make_error("E0783", fmt::format("the identity provider refuses: {}",
                                           quoted(returned.error)),
                      "sign in there with another account, or begin again");
  }
  if (returned.code.empty() || returned.code.size() > kCodeBytesMax) {
    return not_begun("the identity provider sent no code");
  }
  return pending;
}

void Oidc::finish(const Returned& returned, Then then) {
  auto pending = take(returned);
  if (!pending.ok()) return then(std::move(pending).error());
  provider_->facts([self = shared_from_this(), returned, pending = std::move(*pending),
                    then = std::move(then)](auto facts) {
    if (!facts.ok()) return then(std::move(facts).error());
    if (facts->names_issuer && returned.issuer.empty()) {
      return then(not_begun("the identity provider did not name itself ('iss')"));
    }
    self->exchange(*facts, returned.code, pending, then);
  });
}

void Oidc::exchange(const ProviderFacts& facts, const std::string& code, const Pending& pending,
                    Then then) {
  std::vector<std::pair<std::string, std::string>> form{{"grant_type", "authorization_code"},
                                                        {"code", code},
                                                        {"redirect_uri", options_.redirect_url},
                                                        {"code_verifier", pending.verifier}};
  net::Request request;
  request.method = "POST";
  request.url = facts.token;
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded"},
                     {"Accept", "application/json"}};
  if (!options_.client_secret.empty() && facts.basic_secret) {
    request.headers.push_back({"Authorization", basic(options_.client_id,
                                                      options_.client_secret)});
  } else {
    form.emplace_back("client_id", options_.client_id);
    if (!options_.client_secret.empty()) {
      form.emplace_back("client_secret", options_.client_secret);
    }
  }
  request.body = form_text(form);
  provider_->ask(std::move(request), "token",
                 [self = shared_from_this(), nonce = pending.nonce, userinfo = facts.userinfo,
                  then = std::move(then)](Result<std::string> answer) {
                   if (!answer.ok()) return then(std::move(answer).error());
                   const auto tokens = tokens_of(*answer);
                   if (!tokens.ok()) return then(tokens.error());
                   self->believe(*tokens, nonce, userinfo, then);
                 });
}

Result<Oidc::Tokens> Oidc::tokens_of(std::string_view answer) {
  const auto document = json::parse(answer, {.depth_max = 32});
  const json::Object* object = document.ok() ? document->if_object() : nullptr;
  const auto text = [&](std::string_view name) -> std::string {
    const json::Value* token = object != nullptr ? object->if_contains(name) : nullptr;
    return token != nullptr && token->is_string() ? std::string(token->as_string()) : "";
  };
  Tokens out{text("id_token"), text("access_token")};
  if (!out.id.empty()) return out;
  return make_error("E0780", "the identity provider's answer holds no id_token",
                    "'openid' must stand among the scopes");
}

void Oidc::believe(const Tokens& tokens, const std::string& nonce, const std::string& userinfo,
                   Then then) {
  const auto head = token_head(tokens.id);
  if (!head.ok()) return then(head.error());
  provider_->keys_for(*head, [self = shared_from_this(), tokens, nonce, userinfo,
                              then = std::move(then)](auto keys) {
    if (!keys.ok()) return then(std::move(keys).error());
    const auto claims = verify_id_token(
        tokens.id, **keys, {.issuer = self->options_.issuer, .audience = self->options_.client_id,
                        .nonce = nonce, .now_s = self->env_.wall_us() / 1'000'000});
    if (!claims.ok()) return then(claims.error());
    const bool ask = self->options_.userinfo && !userinfo.empty() && !tokens.access.empty() &&
                     wants_userinfo(*claims, self->options_.rules);
    if (ask) return self->ask_userinfo(userinfo, tokens.access, *claims, then);
    then(caller_of_claims(*claims, self->options_.rules));
  });
}

// An endpoint that is there and fails is an error, not a person with fewer roles.
void Oidc::ask_userinfo(const std::string& url, const std::string& access, json::Object claims,
                        Then then) {
  net::Request request;
  request.url = url;
  request.headers = {{"Authorization", "Bearer " + access}, {"Accept", "application/json"}};
  provider_->ask(std::move(request), "userinfo",
                 [self = shared_from_this(), claims = std::move(claims),
                  then = std::move(then)](Result<std::string> answer) mutable {
                   if (!answer.ok()) return then(std::move(answer).error());
                   const auto said = json::parse(*answer, {.depth_max = 32});
                   if (!said.ok() || !said->is_object()) {
                     return then(make_error(
                         "E0780", "the identity provider's userinfo is no JSON object",
                         "signed userinfo is not read: set this client's to plain JSON there, or "
                         "oidc: { userinfo: false }"));
                   }
                   const ClaimRules& rules = self->options_.rules;
                   const Status added = add_userinfo(claims, said->as_object(), rules);
                   if (!added.ok()) return then(added.error());
                   then(caller_of_claims(claims, rules));
                 });
}

std::string Oidc::leave_url() const {
  if (!options_.leave_provider || end_session_.empty()) return {};
  const auto url = net::parse_url(end_session_);
  const size_t path = options_.redirect_url.find('/', options_.redirect_url.find("://") + 3);
  if (!url.ok()) return {};
  const auto full =
      net::with_query(*url, {{"client_id", options_.client_id},
                             {"post_logout_redirect_uri",
                              options_.redirect_url.substr(0, path) + "/"}});
  return full.ok() ? full->text : std::string();
}

}  // namespace weft::security
