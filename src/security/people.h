// SPDX-License-Identifier: Apache-2.0
//
// People who sign in by a name and a password, where there is no identity provider. Stored is
// Argon2id of the password (64 MiB and two passes for each try, with its own salt), nothing else:
// guessing one from a copy of the database costs that much a guess, unlike keys, which cannot be
// guessed at all (keys.h). Hashing takes some 100 ms and belongs on no event loop.
//
//   person (id, name, tenant, roles, hash, created_us, created_by, changed_us)
//
// A new password and a removal end the person's sessions (sessions.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "security/permission.h"
#include "store/db.h"

namespace weft::security {

// What the key of a caller and of a session begins with, if it is such a person.
inline constexpr std::string_view kPersonKey = "user:";

struct Person {
  std::string id;    // 12 characters
  std::string name;  // unique
  std::string tenant;
  std::vector<std::string> roles;
  int64_t created_us = 0;
  int64_t changed_us = 0;  // the password
  std::string hash = {};   // only where it is asked for
};
json::Object to_json(const Person& person);
Caller caller_of(const Person& person);

struct PersonRequest {
  std::string name;
  std::string tenant = {};
  std::vector<std::string> roles = {};
  std::string password;
  std::string by = {};
};
// E0769: the name or the password will not do, or the name is taken.
Result<Person> add_person(store::Db& db, const PersonRequest& request);
// E0767: there is nobody of that name.
Result<Person> set_password(store::Db& db, std::string_view name, std::string_view password);
Result<Person> remove_person(store::Db& db, std::string_view name);

Result<std::vector<Person>> list_people(store::Db& db);
Result<bool> has_people(store::Db& db);
// With the hash.
Result<std::optional<Person>> find_person(store::Db& db, std::string_view name);

}  // namespace weft::security
