// SPDX-License-Identifier: Apache-2.0
//
// API keys as the store has them. A key is shown once, as
//
//   weft_<id>_<secret>      id: 12 characters, public; secret: 52 characters, 260 random bits
//
// and stored as BLAKE2b-256 of the whole text under a pepper that is not in the store: who reads
// the database learns no key and can test none. Keys are found by id and compared in constant time.
// Guessing is hopeless at that length, so nothing slower is needed; slow hashes are for passwords.
//
// Key and KeyRing know no HTTP. Functions with a Db block on it and belong on no event loop.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/error.h"
#include "base/json.h"
#include "security/crypto.h"
#include "security/permission.h"
#include "store/db.h"

namespace weft::security {

struct Key {
  std::string id;
  std::string tenant;
  std::string name;
  std::vector<std::string> roles;
  std::vector<Scope> scopes;
  int64_t requests_per_minute = 0;  // 0: as the server says for all
  int64_t tokens_per_minute = 0;
  int64_t created_us = 0;
  std::string created_by;
  int64_t expires_us = 0;           // 0: never
  int64_t revoked_us = 0;           // 0: not
  std::string hash = {};            // keyed, 32 bytes
};
// As pages and `weft keys` show it; nothing of it is secret.
json::Object to_json(const Key& key);
// Neither revoked nor expired.
bool holds(const Key& key, int64_t now_us);

struct KeyRequest {
  std::string name;
  std::string tenant = {};
  std::vector<std::string> roles = {};
  std::vector<std::string> scopes = {};
  int64_t lifetime_s = 0;  // 0: for ever
  int64_t requests_per_minute = 0;
  int64_t tokens_per_minute = 0;
  std::string by = {};
};
struct NewKey {
  Key key;
  std::string text;  // shown once
};
// In a transaction of its own. E0763: no name or role, a malformed scope, an absurd number.
Result<NewKey> create_key(store::Db& db, const Secret& pepper, const KeyRequest& request);
// All keys, of one tenant or of all, the newest first; the revoked too.
Result<std::vector<Key>> list_keys(store::Db& db, const std::optional<std::string>& tenant);
// E0767: no such key (of that tenant). Revoking twice is once.
Result<Key> revoke_key(store::Db& db, const std::optional<std::string>& tenant,
                       std::string_view id);
// A new key with everything but the secret as the old one has it, which ends in `grace_s` seconds.
Result<NewKey> rotate_key(store::Db& db, const Secret& pepper,
                          const std::optional<std::string>& tenant, std::string_view id,
                          int64_t grace_s, const std::string& by);
// Changes whenever some key does.
Result<std::string> keys_version(store::Db& db);

// Whether a tenant may be called so: it becomes a part of paths and of names.
bool is_tenant(std::string_view text);

// The id of a text that has the form of a key; empty if it has not.
std::string_view key_id(std::string_view text);

// All keys in memory. One thread.
class KeyRing {
 public:
  explicit KeyRing(Secret pepper) : pepper_(std::move(pepper)) {}
  void set(std::vector<Key> keys);
  bool empty() const { return keys_.empty(); }  // there never was a key
  // The key of that text if it holds now; else null.
  const Key* find(std::string_view text, int64_t now_us) const;
  const Key* by_id(std::string_view id, int64_t now_us) const;

 private:
  const Secret pepper_;
  std::map<std::string, Key, std::less<>> keys_;
};

Caller caller_with(const Key& key);

}  // namespace weft::security
