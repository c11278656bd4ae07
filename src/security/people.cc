// SPDX-License-Identifier: Apache-2.0
#include "security/people.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/env.h"
#include "base/strings.h"
#include "security/crypto.h"

namespace weft::security {
namespace {

constexpr size_t kPersonIdCharacters = 12;
constexpr size_t kUserNameBytesMax = 200;
constexpr size_t kPasswordBytesMin = 12;
constexpr size_t kPasswordBytesMax = 1024;

Error will_not_do(std::string message, std::string hint = {}) {
  return make_error("E0769", std::move(message), std::move(hint));
}

Error nobody(std::string_view name) {
  return make_error("E0767", fmt::format("there is no user {}", quoted(name)),
                    "weft users list shows them");
}

Status check_name(std::string_view name) {
  const bool control = std::any_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < ' ';
  });
  if (!name.empty() && name.size() <= kUserNameBytesMax && !control && !invalid_utf8_at(name)) {
    return ok_status();
  }
  return will_not_do(fmt::format("a user's name has 1 to {} bytes of UTF-8, without controls",
                                 kUserNameBytesMax));
}

Result<std::string> hash_of_password(std::string_view name, std::string_view password) {
  if (password.size() < kPasswordBytesMin || password.size() > kPasswordBytesMax) {
    return will_not_do(fmt::format("a password has {} to {} bytes, found {}", kPasswordBytesMin,
                                   kPasswordBytesMax, password.size()),
                       "a sentence is easy to remember");
  }
  if (password == name) return will_not_do("the password is the name");
  std::string hash = password_hash(password);
  if (hash.empty()) return will_not_do("there is not enough memory to hash a password");
  return hash;
}

constexpr std::string_view kPersonColumns =
    "SELECT id, name, tenant, roles, created_us, changed_us, hash FROM person ";

Result<Person> person_row(const store::Rows& rows) {
  Person out{.id = std::string(rows.text(0)),
             .name = std::string(rows.text(1)),
             .tenant = std::string(rows.text(2)),
             .roles = {},
             .created_us = rows.int64(4),
             .changed_us = rows.int64(5),
             .hash = std::string(rows.text(6))};
  const json::Value roles = TRY(json::parse(rows.text(3)));
  if (const json::Array* list = roles.if_array()) {
    for (const json::Value& role : *list) {
      if (role.is_string()) out.roles.emplace_back(role.get_string());
    }
  }
  return out;
}

Status end_sessions_of(store::Db& db, const Person& person, int64_t now_us) {
  TRY(db.run("UPDATE session SET ended_us = $1 WHERE key = $2 AND ended_us IS NULL",
             {now_us, std::string(kPersonKey) + person.id}));
  return ok_status();
}

Result<Person> known_person(store::Db& db, std::string_view name) {
  auto found = TRY(find_person(db, name));
  if (!found) return nobody(name);
  return std::move(*found);
}

}  // namespace

json::Object to_json(const Person& person) {
  json::Array roles(person.roles.begin(), person.roles.end());
  return {{"id", person.id},
          {"name", person.name},
          {"tenant", person.tenant},
          {"roles", std::move(roles)},
          {"created_at", iso8601(person.created_us)},
          {"password_at", iso8601(person.changed_us)}};
}

Caller caller_of(const Person& person) {
  Caller out;
  out.name = person.name;
  out.tenant = person.tenant;
  out.key = std::string(kPersonKey) + person.id;
  out.roles = person.roles;
  return out;
}

Result<Person> add_person(store::Db& db, const PersonRequest& request) {
  TRY(check_name(request.name));
  if (request.roles.empty()) return will_not_do("a user needs at least one role");
  const std::string hash = TRY(hash_of_password(request.name, request.password));
  Person out{.id = random_text(kPersonIdCharacters), .name = request.name,
             .tenant = request.tenant, .roles = request.roles};
  out.created_us = out.changed_us = TRY(db.now_ms()) * 1000;
  const json::Array roles(request.roles.begin(), request.roles.end());
  const int64_t inserted = TRY(db.run(
      "INSERT INTO person (id, name, tenant, roles, hash, created_us, created_by, changed_us) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $6) ON CONFLICT DO NOTHING",
      {out.id, out.name, out.tenant, json::dump(json::Value(roles)), hash, out.created_us,
       request.by}));
  if (inserted == 1) return out;
  return will_not_do(fmt::format("there is a user {} already", quoted(request.name)),
                     "weft users passwd sets another password");
}

Result<Person> set_password(store::Db& db, std::string_view name, std::string_view password) {
  Person person = TRY(known_person(db, name));
  const std::string hash = TRY(hash_of_password(name, password));
  store::Tx tx = TRY(store::Tx::begin(db));
  person.changed_us = TRY(db.now_ms()) * 1000;
  TRY(db.run("UPDATE person SET hash = $1, changed_us = $2 WHERE id = $3",
             {hash, person.changed_us, person.id}));
  TRY(end_sessions_of(db, person, person.changed_us));
  TRY(tx.commit());
  return person;
}

Result<Person> remove_person(store::Db& db, std::string_view name) {
  Person person = TRY(known_person(db, name));
  store::Tx tx = TRY(store::Tx::begin(db));
  TRY(db.run("DELETE FROM person WHERE id = $1", {person.id}));
  TRY(end_sessions_of(db, person, TRY(db.now_ms()) * 1000));
  TRY(tx.commit());
  return person;
}

Result<std::vector<Person>> list_people(store::Db& db) {
  auto rows = TRY(db.query(std::string(kPersonColumns).append("ORDER BY name"), {}));
  std::vector<Person> out;
  while (TRY(rows->next())) out.push_back(TRY(person_row(*rows)));
  return out;
}

Result<bool> has_people(store::Db& db) {
  auto rows = TRY(db.query("SELECT 1 FROM person LIMIT 1", {}));
  return rows->next();
}

Result<std::optional<Person>> find_person(store::Db& db, std::string_view name) {
  auto rows = TRY(db.query(std::string(kPersonColumns).append("WHERE name = $1"), {name}));
  if (!TRY(rows->next())) return std::optional<Person>();
  return std::optional(TRY(person_row(*rows)));
}

}  // namespace weft::security
