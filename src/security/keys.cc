// SPDX-License-Identifier: Apache-2.0
#include "security/keys.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"

namespace weft::security {
namespace {

constexpr size_t kIdCharacters = 12;
constexpr size_t kSecretCharacters = 52;
constexpr size_t kNameBytesMax = 100;
constexpr size_t kListMax = 64;
constexpr int64_t kRateMax = 1'000'000'000;
constexpr int64_t kLifetimeMaxS = int64_t{100} * 366 * 86'400;
constexpr int64_t kUsPerS = 1'000'000;

Error malformed(std::string message, std::string hint = {}) {
  return make_error("E0763", std::move(message), std::move(hint));
}

bool is_word(std::string_view text) {
  return !text.empty() && text.size() <= kNameBytesMax && !invalid_utf8_at(text) &&
         std::none_of(text.begin(), text.end(), [](char c) {
           return static_cast<unsigned char>(c) <= ' ' || c == ',' || c == 0x7f;
         });
}

Result<Key> key_of(const KeyRequest& request) {
  if (request.name.empty() || request.name.size() > kNameBytesMax ||
      invalid_utf8_at(request.name)) {
    return malformed(fmt::format("name: expected 1 to {} bytes of text, found {}", kNameBytesMax,
                                 quoted(request.name)));
  }
  if (!request.tenant.empty() && !is_tenant(request.tenant)) {
    return malformed(fmt::format("tenant: expected at most 64 of a-z A-Z 0-9 _ - . (no . in "
                                 "front), found {}", quoted(request.tenant)));
  }
  if (request.roles.empty() || request.roles.size() > kListMax ||
      request.scopes.size() > kListMax) {
    return malformed(fmt::format("roles: expected 1 to {}, found {}", kListMax,
                                 request.roles.size()),
                     "roles: " + join(role_names(), ", "));
  }
  Key key;
  for (const std::string& role : request.roles) {
    if (!is_word(role)) return malformed(fmt::format("roles: {} is no word", quoted(role)));
    key.roles.push_back(role);
  }
  const std::vector<std::string> ours = role_names();
  if (std::ranges::find_first_of(key.roles, ours) == key.roles.end()) {
    return malformed(fmt::format("roles: {} is none of weft's, so such a key could do nothing",
                                 quoted(key.roles.front())),
                     name_hint(key.roles.front(), ours));
  }
  for (const std::string& scope : request.scopes) key.scopes.push_back(TRY(parse_scope(scope)));
  for (const int64_t rate : {request.requests_per_minute, request.tokens_per_minute}) {
    if (rate < 0 || rate > kRateMax) return malformed("a limit is not from 0 to 1000000000");
  }
  if (request.lifetime_s < 0 || request.lifetime_s > kLifetimeMaxS) {
    return malformed("expected an expiry within a hundred years");
  }
  key.name = request.name;
  key.tenant = request.tenant;
  key.requests_per_minute = request.requests_per_minute;
  key.tokens_per_minute = request.tokens_per_minute;
  key.created_by = request.by;
  return key;
}

std::string scopes_text(const Key& key) {
  std::vector<std::string> out;
  for (const Scope& scope : key.scopes) out.push_back(text(scope));
  return join(out, "\n");
}

Result<NewKey> insert_key(store::Db& db, const Secret& pepper, Key key) {
  key.id = random_text(kIdCharacters);
  NewKey out{std::move(key), {}};
  out.text = fmt::format("weft_{}_{}", out.key.id, random_text(kSecretCharacters));
  out.key.hash = keyed_hash(pepper, out.text);
  const Key& k = out.key;
  const store::Value expires = k.expires_us == 0 ? store::Value(nullptr) : k.expires_us;
  TRY(db.run("INSERT INTO api_key (id, tenant, name, hash, roles, scopes, requests_per_minute, "
             "tokens_per_minute, created_us, created_by, expires_us, changed_us) "
             "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $9)",
             {k.id, k.tenant, k.name, store::Value::blob(k.hash), join(k.roles, ","),
              scopes_text(k), k.requests_per_minute, k.tokens_per_minute, k.created_us,
              k.created_by, expires}));
  return out;
}

std::vector<std::string> listed(std::string_view text, char separator) {
  std::vector<std::string> out;
  for (const std::string_view part : split(text, separator)) {
    if (!part.empty()) out.emplace_back(part);
  }
  return out;
}

Result<std::vector<Key>> read_keys(store::Db& db, const std::optional<std::string>& tenant,
                                   std::string_view id) {
  auto rows = TRY(db.query(
      "SELECT id, tenant, name, hash, roles, scopes, requests_per_minute, tokens_per_minute, "
      "created_us, created_by, coalesce(expires_us, 0), coalesce(revoked_us, 0) FROM api_key "
      "WHERE ($1 = 0 OR tenant = $2) AND ($3 = '' OR id = $3) ORDER BY created_us DESC, id",
      {tenant ? 1 : 0, tenant.value_or(""), id}));
  std::vector<Key> out;
  while (TRY(rows->next())) {
    Key key{.id = std::string(rows->text(0)),
            .tenant = std::string(rows->text(1)),
            .name = std::string(rows->text(2)),
            .roles = listed(rows->text(4), ','),
            .scopes = {},
            .requests_per_minute = rows->int64(6),
            .tokens_per_minute = rows->int64(7),
            .created_us = rows->int64(8),
            .created_by = std::string(rows->text(9)),
            .expires_us = rows->int64(10),
            .revoked_us = rows->int64(11),
            .hash = std::string(rows->blob(3))};
    for (const std::string& scope : listed(rows->text(5), '\n')) {
      key.scopes.push_back(TRY(parse_scope(scope)));
    }
    out.push_back(std::move(key));
  }
  return out;
}

Result<Key> one_key(store::Db& db, const std::optional<std::string>& tenant,
                    std::string_view id) {
  auto found = TRY(read_keys(db, tenant, id));
  if (!id.empty() && found.size() == 1) return std::move(found.front());
  return make_error("E0767", fmt::format("there is no key {}", quoted(id)),
                    "`weft keys list` shows them; the id is the middle part of a key");
}

}  // namespace

bool is_tenant(std::string_view text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
  return !text.empty() && text.size() <= 64 && text.front() != '.' &&
         text.find_first_not_of(kPlain) == text.npos;
}

json::Object to_json(const Key& key) {
  json::Array roles(key.roles.begin(), key.roles.end());
  json::Array scopes;
  for (const Scope& scope : key.scopes) scopes.push_back(json::Value(text(scope)));
  json::Object out{{"id", key.id}, {"name", key.name}, {"tenant", key.tenant},
                   {"roles", std::move(roles)}, {"scopes", std::move(scopes)},
                   {"created_at", iso8601(key.created_us)}, {"created_by", key.created_by}};
  if (key.requests_per_minute > 0) out["requests_per_minute"] = key.requests_per_minute;
  if (key.tokens_per_minute > 0) out["tokens_per_minute"] = key.tokens_per_minute;
  if (key.expires_us != 0) out["expires_at"] = iso8601(key.expires_us);
  if (key.revoked_us != 0) out["revoked_at"] = iso8601(key.revoked_us);
  return out;
}

bool holds(const Key& key, int64_t now_us) {
  return key.revoked_us == 0 && (key.expires_us == 0 || now_us < key.expires_us);
}

Result<NewKey> create_key(store::Db& db, const Secret& pepper, const KeyRequest& request) {
  Key key = TRY(key_of(request));
  store::Tx tx = TRY(store::Tx::begin(db));
  key.created_us = TRY(db.now_ms()) * 1000;
  if (request.lifetime_s > 0) key.expires_us = key.created_us + request.lifetime_s * kUsPerS;
  NewKey out = TRY(insert_key(db, pepper, std::move(key)));
  TRY(tx.commit());
  return out;
}

Result<std::vector<Key>> list_keys(store::Db& db, const std::optional<std::string>& tenant) {
  return read_keys(db, tenant, "");
}

Result<Key> revoke_key(store::Db& db, const std::optional<std::string>& tenant,
                       std::string_view id) {
  store::Tx tx = TRY(store::Tx::begin(db));
  Key key = TRY(one_key(db, tenant, id));
  if (key.revoked_us != 0) return key;
  key.revoked_us = TRY(db.now_ms()) * 1000;
  TRY(db.run("UPDATE api_key SET revoked_us = $1, changed_us = $1 WHERE id = $2",
             {key.revoked_us, key.id}));
  TRY(tx.commit());
  return key;
}

Result<NewKey> rotate_key(store::Db& db, const Secret& pepper,
                          const std::optional<std::string>& tenant, std::string_view id,
                          int64_t grace_s, const std::string& by) {
  store::Tx tx = TRY(store::Tx::begin(db));
  Key key = TRY(one_key(db, tenant, id));
  const int64_t now_us = TRY(db.now_ms()) * 1000;
  if (!holds(key, now_us)) {
    return malformed(fmt::format("key {} is revoked or expired", key.id), "make a new one");
  }
  if (grace_s < 0 || grace_s > kLifetimeMaxS) return malformed("the time of grace is out of range");
  int64_t end_us = now_us + grace_s * kUsPerS;
  if (key.expires_us != 0) end_us = std::min(end_us, key.expires_us);
  TRY(db.run("UPDATE api_key SET expires_us = $1, changed_us = $2 WHERE id = $3",
             {end_us, now_us, key.id}));
  key.created_us = now_us;
  key.created_by = by;
  NewKey out = TRY(insert_key(db, pepper, std::move(key)));
  TRY(tx.commit());
  return out;
}

Result<std::string> keys_version(store::Db& db) {
  auto rows = TRY(db.query(
      "SELECT count(*), coalesce(max(changed_us), 0), count(revoked_us) FROM api_key", {}));
  TRY(rows->next());
  return fmt::format("{} {} {}", rows->int64(0), rows->int64(1), rows->int64(2));
}

std::string_view key_id(std::string_view text) {
  constexpr std::string_view kPrefix = "weft_";
  if (text.size() != kPrefix.size() + kIdCharacters + 1 + kSecretCharacters ||
      !text.starts_with(kPrefix) || text[kPrefix.size() + kIdCharacters] != '_') {
    return {};
  }
  return text.substr(kPrefix.size(), kIdCharacters);
}

void KeyRing::set(std::vector<Key> keys) {
  keys_.clear();
  for (Key& key : keys) {
    const std::string id = key.id;
    keys_.emplace(id, std::move(key));
  }
}

const Key* KeyRing::find(std::string_view text, int64_t now_us) const {
  const std::string_view id = key_id(text);
  const Key* key = id.empty() ? nullptr : by_id(id, now_us);
  if (key == nullptr || !equal(keyed_hash(pepper_, text), key->hash)) return nullptr;
  return key;
}

const Key* KeyRing::by_id(std::string_view id, int64_t now_us) const {
  const auto found = keys_.find(id);
  return found != keys_.end() && holds(found->second, now_us) ? &found->second : nullptr;
}

Caller caller_with(const Key& key) {
  Caller caller;
  caller.tenant = key.tenant;
  caller.name = key.name;
  caller.key = key.id;
  caller.roles = key.roles;
  caller.scopes = key.scopes;
  return caller;
}

}  // namespace weft::security
