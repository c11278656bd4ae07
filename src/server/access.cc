// SPDX-License-Identifier: Apache-2.0
#include "server/access.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/digest.h"
#include "security/people.h"

namespace weft::server {
namespace {

// Of one address, with wrong keys: nobody mistypes more often, and guessing stays hopeless.
constexpr double kFailuresPerMinute = 60;
constexpr double kSigninsPerMinute = 120;  // beginnings and ends; a house may have one address
constexpr double kTriesPerMinute = 10;       // wrong passwords from one address,
constexpr double kTriesOfNamePerMinute = 30;  // for one name, from wherever
constexpr size_t kTryingMax = 2;             // 64 MiB each
constexpr double kLookupsPerMinute = 1'200;  // of sessions; each browser needs one a server
constexpr std::string_view kFileKey = "file:";  // what the key of a session begins with
constexpr std::string_view kLocalName = "local";  // whoever asks where no key is needed

// "127.0.0.1:8700", "[::1]:8700", "localhost" -> without the port.
std::string_view host_of(std::string_view authority) {
  if (authority.starts_with('[')) return authority.substr(0, authority.find(']') + 1);
  return authority.substr(0, authority.find(':'));
}

bool names_this_machine(std::string_view host) {
  // an address of this machine, not a name such as 127.example.com
  const bool loopback = host.starts_with("127.") &&
                        host.find_first_not_of("0123456789.") == host.npos;
  return loopback || host == "localhost" || host == "[::1]" || host.ends_with(".localhost");
}

bool own_origin(std::string_view origin, const std::string* host, bool secure) {
  const size_t scheme = origin.find("://");
  if (secure && !origin.starts_with("https://")) return false;  // anybody on the way may make one
  return scheme != origin.npos && host != nullptr && origin.substr(scheme + 3) == *host;
}

security::Caller everything(std::string name) {
  security::Caller caller;
  caller.name = std::move(name);
  caller.everything = true;
  return caller;
}

bool changes_something(std::string_view method) {
  return method != "GET" && method != "HEAD" && method != "OPTIONS";
}

std::string_view session_secret(const net::HttpRequest& request) {
  const std::string* cookies = request.header("Cookie");
  return cookies == nullptr ? std::string_view() : cookie_of(*cookies, kSessionCookie);
}

}  // namespace

Access::Access(Env& env, AccessOptions options)
    : env_(env), options_(std::move(options)), ring_(options_.pepper),
      sessions_(options_.pepper) {
  for (const std::string& key : options_.keys) hashes_.push_back(sha256_hex(key));
}

void Access::set_keys(std::vector<security::Key> keys, std::string version) {
  ring_.set(std::move(keys));
  version_ = std::move(version);
}

Refusal Access::foreign(const net::HttpRequest& request) const {
  const std::string* host = request.header("Host");
  if (options_.loopback && host != nullptr && !names_this_machine(host_of(*host))) {
    return {403, "the Host header names another machine than this one"};
  }
  const std::string* origin = request.header("Origin");
  if (origin == nullptr || own_origin(*origin, host, options_.secure) ||
      std::ranges::find(options_.origins, *origin) != options_.origins.end()) {
    return {};
  }
  return {403, "web pages of that origin may not ask here; start the server with --allow-origin"};
}

// Hashes are compared, so that the time it takes says nothing about a key.
std::optional<security::Caller> Access::by_text(std::string_view text) const {
  if (const security::Key* key = ring_.find(text, env_.wall_us())) {
    return security::caller_with(*key);
  }
  const std::string hash = sha256_hex(text);
  if (std::ranges::find(hashes_, hash) == hashes_.end()) return std::nullopt;
  return everything("key-file");
}

Access::Found Access::by_session(const net::HttpRequest& request, std::string_view secret) {
  const Session* session = sessions_.find(secret, env_.wall_us());
  if (session == nullptr) return {};  // over: as if it had not come
  if (changes_something(request.method)) {
    const std::string* csrf = request.header(kCsrfHeader);
    if (csrf == nullptr || !security::equal(*csrf, session->csrf)) {
      return {{}, false, {403, fmt::format("the header {} must carry the csrf of GET /session",
                                           kCsrfHeader)}};
    }
  }
  if (session->person) return {*session->person};
  if (session->key.starts_with(kFileKey)) return {everything("key-file")};
  const security::Key* key = ring_.by_id(session->key, env_.wall_us());
  if (key == nullptr) return {};
  return {security::caller_with(*key)};
}

Access::Found Access::identify(const net::HttpRequest& request) {
  const std::string* header = request.header("Authorization");
  if (header != nullptr && header->starts_with("Bearer ")) {
    auto caller = by_text(std::string_view(*header).substr(7));
    const bool wrong = !caller;
    return {std::move(caller), wrong};
  }
  const std::string_view secret = session_secret(request);
  return secret.empty() ? Found{} : by_session(request, secret);
}

Refusal Access::unknown(const net::HttpRequest& request, bool wrong) {
  if (!wrong) return {401, "an API key is needed: Authorization: Bearer KEY"};
  const int64_t now = env_.mono_ns();
  if (const int64_t wait = failures_.wait_s(request.peer, kFailuresPerMinute, now)) {
    return {429, "too many wrong keys from this address", wait};
  }
  failures_.take(request.peer, 1, kFailuresPerMinute, now);
  if (witness_) witness_(caller_of(request), kAuthenticate, request);  // so many, no more
  return {401, "this API key is unknown, revoked or expired"};
}

Refusal Access::look(net::HttpRequest& request, std::string_view action) {
  if (Refusal refusal = foreign(request); refusal.status != 0) return refusal;
  if (!keys_needed()) return {};
  Found found = identify(request);
  if (found.refusal.status != 0 && !action.empty()) return found.refusal;
  if (!found.caller) {
    security::Caller nobody;
    nobody.name = "anonymous";
    request.caller = std::make_shared<const security::Caller>(std::move(nobody));
    return action.empty() ? Refusal{} : unknown(request, found.wrong);
  }
  const auto caller = std::make_shared<const security::Caller>(*std::move(found.caller));
  request.caller = caller;
  if (action.empty()) return {};
  // Limits first: a refusal is recorded, and nobody shall fill the records.
  if (Refusal limit = over_limit(*caller, action); limit.status != 0) return limit;
  if (action == kAnyKey || security::may(*caller, action)) return {};
  if (witness_) witness_(*caller, action, request);
  return {403, security::insufficient(*caller, action).message};
}

double Access::rate(const std::string& key, bool tokens) const {
  const security::Key* found = ring_.by_id(key, env_.wall_us());
  const int64_t own = found == nullptr ? 0 : tokens ? found->tokens_per_minute
                                                    : found->requests_per_minute;
  if (own > 0) return static_cast<double>(own);
  return static_cast<double>(tokens ? options_.tokens_per_minute : options_.requests_per_minute);
}

Refusal Access::over_limit(const security::Caller& caller, std::string_view action) {
  if (caller.key.empty()) return {};
  const int64_t now = env_.mono_ns();
  if (const double requests = rate(caller.key, false); requests > 0) {
    if (const int64_t wait = requests_.wait_s(caller.key, requests, now)) {
      return {429, fmt::format("this key may ask {} times a minute", requests), wait};
    }
    requests_.take(caller.key, 1, requests, now);
  }
  return action == "models:use" || action == "runs:execute" ? over_tokens(caller) : Refusal{};
}

Refusal Access::over_tokens(const security::Caller& caller) {
  if (caller.key.empty()) return {};
  const int64_t now = env_.mono_ns();
  if (const double tokens = rate(caller.key, true); tokens > 0) {
    if (const int64_t wait = tokens_.wait_s(caller.key, tokens, now)) {
      return {429, fmt::format("this key may use {} tokens a minute", tokens), wait};
    }
  }
  return {};
}

bool Access::still(const security::Caller& caller) const {
  if (caller.key.starts_with("oidc:") || caller.key.starts_with(security::kPersonKey)) {
    return sessions_.holds_person(caller.key, env_.wall_us());
  }
  if (!caller.key.empty()) return ring_.by_id(caller.key, env_.wall_us()) != nullptr;
  return !keys_needed() || caller.name != kLocalName;
}

void Access::charge(const std::string& key, int64_t tokens) {
  if (key.empty()) return;
  const double per_minute = rate(key, true);
  if (per_minute > 0) tokens_.take(key, static_cast<double>(tokens), per_minute, env_.mono_ns());
}

std::optional<Access::Opened> Access::open_session(const net::HttpRequest& request,
                                                   const std::string& key) {
  auto caller = by_text(key);  // first: wrong keys of others behind the same proxy close no door
  if (!caller) {
    const int64_t now = env_.mono_ns();
    if (failures_.wait_s(request.peer, kFailuresPerMinute, now) == 0) {
      failures_.take(request.peer, 1, kFailuresPerMinute, now);
      if (witness_) witness_(caller_of(request), kAuthenticate, request);
    }
    return std::nullopt;
  }
  const std::string id = caller->key.empty() ? file_key(key) : caller->key;
  return opened(*std::move(caller), {id, {}, env_.wall_us() + Sessions::kLifetimeUs, {}});
}

Access::Opened Access::opened(security::Caller caller, Session session) {
  Opened out;
  out.secret = security::random_text(52);
  out.caller = std::move(caller);
  out.stored = {sessions_.hash_of(out.secret), session.key, {}, session.end_us};
  if (session.person) {
    out.stored.person = security::person_text(*session.person, rules_of(session.key));
  }
  sessions_.add(out.secret, std::move(session), env_.wall_us());
  out.csrf = sessions_.find(out.secret, env_.wall_us())->csrf;
  return out;
}

// Of people with a password the store says who they are, and ends their sessions by itself.
std::string_view Access::rules_of(std::string_view key) const {
  return key.empty() ? std::string_view(options_.people_rules) : security::kPersonKey;
}

// So that a session of a line that is taken out of the file ends with the next start.
std::string Access::file_key(std::string_view text) const {
  return std::string(kFileKey).append(
      security::to_hex(security::keyed_hash(options_.pepper, sha256_hex(text))));
}

std::string Access::unknown_session(const net::HttpRequest& request) {
  if (!keys_needed() || request.header("Authorization") != nullptr) return {};
  const std::string_view secret = session_secret(request);
  if (secret.empty() || sessions_.find(secret, env_.wall_us()) != nullptr ||
      sessions_.absent(secret)) {
    return {};
  }
  const int64_t now = env_.mono_ns();
  if (lookups_.wait_s(request.peer, kLookupsPerMinute, now) > 0) return {};
  lookups_.take(request.peer, 1, kLookupsPerMinute, now);
  return std::string(secret);
}

void Access::know_session(std::string_view secret,
                          const std::optional<security::StoredSession>& found) {
  if (!found) return sessions_.note_absent(secret);
  Session session{found->key, {}, found->end_us, {}};
  if (!found->person.empty()) {
    session.person = security::person_of(found->person, rules_of(found->key));
    const bool here = options_.people || !found->key.empty();
    if (!here || !session.person) return sessions_.note_absent(secret);
  } else if (found->key.starts_with(kFileKey)) {
    const bool there = std::ranges::any_of(options_.keys, [&](const std::string& key) {
      return file_key(key) == found->key;
    });
    if (!there) return sessions_.note_absent(secret);
  }
  sessions_.add(secret, std::move(session), env_.wall_us());
}

Access::Opened Access::open_person(security::Caller person, int64_t lifetime_us) {
  Session session{{}, {}, env_.wall_us() + lifetime_us, person};
  if (person.key.starts_with(security::kPersonKey)) session.key = person.key;  // ends with them
  return opened(std::move(person), std::move(session));
}

int64_t Access::begin_try(const std::string& peer, const std::string& name) {
  const int64_t now = env_.mono_ns();
  if (const int64_t wait = tries_.wait_s(peer, kTriesPerMinute, now)) return wait;
  if (const int64_t wait = tries_.wait_s("name\n" + name, kTriesOfNamePerMinute, now)) return wait;
  if (trying_.size() >= kTryingMax || !trying_.insert(peer).second) return 1;
  return 0;
}

void Access::end_try(const std::string& peer, const std::string& name, bool good) {
  trying_.erase(peer);
  if (good) return;
  const int64_t now = env_.mono_ns();
  tries_.take(peer, 1, kTriesPerMinute, now);
  tries_.take("name\n" + name, 1, kTriesOfNamePerMinute, now);
}

bool Access::may_sign_in(const std::string& peer) {
  const int64_t now = env_.mono_ns();
  if (signins_.wait_s(peer, kSigninsPerMinute, now) > 0) return false;
  signins_.take(peer, 1, kSigninsPerMinute, now);
  return true;
}

std::string Access::close_session(const net::HttpRequest& request) {
  const std::string_view secret = session_secret(request);
  if (secret.empty()) return {};
  std::string hash = sessions_.hash_of(secret);
  sessions_.forget(hash);
  sessions_.note_absent(secret);
  return hash;
}

const std::string* Access::csrf_of(const net::HttpRequest& request) const {
  const Session* session = sessions_.find(session_secret(request), env_.wall_us());
  return session == nullptr ? nullptr : &session->csrf;
}

const security::Caller& caller_of(const net::HttpRequest& request) {
  static const security::Caller local = everything(std::string(kLocalName));
  if (request.caller == nullptr) return local;
  return *static_cast<const security::Caller*>(request.caller.get());
}

Status may_use_model(const net::HttpRequest& request, std::string_view model) {
  return security::require(caller_of(request), "models:use", model);
}

Status may_manage_model(const net::HttpRequest& request, std::string_view model) {
  return security::require(caller_of(request), "models:manage", model);
}

// No tenant's name holds a line feed.
std::string tenant_name(const net::HttpRequest& request, std::string_view name) {
  const std::string& tenant = caller_of(request).tenant;
  if (tenant.empty() && name.empty()) return {};
  return fmt::format("{}\n{}", tenant, name);
}

void charge_caller(const net::HttpRequest& request, backend::ChatRequest& chat) {
  const security::Caller& caller = caller_of(request);
  if (!caller.everything) chat.route.account = caller.name;
  chat.route.tenant = caller.tenant;
}

}  // namespace weft::server
