// SPDX-License-Identifier: Apache-2.0
//
// Sign-ins of browsers as the store has them, so that they outlive a restart and are known to every
// server of the store. Stored is the keyed hash of a session's secret, as for API keys: who reads
// the database can be nobody with it.
//
//   session (hash, key, person, created_us, end_us, ended_us)
//
// `key` names the API key that opened it; `person`, instead, is whom an identity provider named and
// what they might do then (JSON). One that was signed out keeps its row until its time is over:
// servers that know it look for such rows once a second.
//
// Functions with a Db block on it and belong on no event loop.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "security/permission.h"
#include "store/db.h"

namespace weft::security {

struct StoredSession {
  std::string hash;    // 32 bytes
  std::string key;     // id; empty: a person's
  std::string person;  // JSON; empty: a key's
  int64_t end_us = 0;
};

// Those that are over go on the way.
Status store_session(store::Db& db, const StoredSession& session);
// Nothing: there is none, or it is over or signed out.
Result<std::optional<StoredSession>> find_session(store::Db& db, std::string_view hash);
Status end_session(store::Db& db, std::string_view hash);
// Hashes of those signed out in the last `us`.
Result<std::vector<std::string>> ended_sessions(store::Db& db, int64_t us);

// A person with the rules that made them what they are: under other rules they must sign in anew.
std::string person_text(const Caller& person, std::string_view rules);
std::optional<Caller> person_of(std::string_view text, std::string_view rules);

}  // namespace weft::security
