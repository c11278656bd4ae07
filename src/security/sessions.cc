// SPDX-License-Identifier: Apache-2.0
#include "security/sessions.h"

#include "base/json.h"

namespace weft::security {

Status store_session(store::Db& db, const StoredSession& session) {
  const int64_t now_us = TRY(db.now_ms()) * 1000;
  store::Tx tx = TRY(store::Tx::begin(db));
  TRY(db.run("DELETE FROM session WHERE end_us <= $1", {now_us}));
  TRY(db.run("INSERT INTO session (hash, key, person, created_us, end_us) "
             "VALUES ($1, $2, $3, $4, $5)",
             {store::Value::blob(session.hash), session.key, session.person, now_us,
              session.end_us}));
  return tx.commit();
}

Result<std::optional<StoredSession>> find_session(store::Db& db, std::string_view hash) {
  auto rows = TRY(db.query("SELECT key, person, end_us FROM session WHERE hash = $1 AND "
                           "ended_us IS NULL AND end_us > $2",
                           {store::Value::blob(hash), TRY(db.now_ms()) * 1000}));
  if (!TRY(rows->next())) return std::optional<StoredSession>();
  return std::optional(StoredSession{std::string(hash), std::string(rows->text(0)),
                                     std::string(rows->text(1)), rows->int64(2)});
}

Status end_session(store::Db& db, std::string_view hash) {
  TRY(db.run("UPDATE session SET ended_us = $1 WHERE hash = $2 AND ended_us IS NULL",
             {TRY(db.now_ms()) * 1000, store::Value::blob(hash)}));
  return ok_status();
}

Result<std::vector<std::string>> ended_sessions(store::Db& db, int64_t us) {
  auto rows = TRY(db.query("SELECT hash FROM session WHERE ended_us >= $1",
                           {TRY(db.now_ms()) * 1000 - us}));
  std::vector<std::string> out;
  while (TRY(rows->next())) out.emplace_back(rows->blob(0));
  return out;
}

std::string person_text(const Caller& person, std::string_view rules) {
  json::Array roles(person.roles.begin(), person.roles.end());
  return json::dump(json::Object{{"name", person.name},
                                 {"tenant", person.tenant},
                                 {"key", person.key},
                                 {"roles", std::move(roles)},
                                 {"rules", rules}});
}

std::optional<Caller> person_of(std::string_view text, std::string_view rules) {
  const auto parsed = json::parse(text);
  const json::Object* object = parsed.ok() ? parsed->if_object() : nullptr;
  if (object == nullptr) return std::nullopt;
  const auto member = [&](std::string_view name) {
    const json::Value* value = object->if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                  : std::string();
  };
  if (member("rules") != rules || member("key").empty()) return std::nullopt;
  Caller out;
  out.name = member("name");
  out.tenant = member("tenant");
  out.key = member("key");
  const json::Value* roles = object->if_contains("roles");
  if (roles == nullptr || !roles->is_array()) return std::nullopt;
  for (const json::Value& role : roles->get_array()) {
    if (role.is_string()) out.roles.emplace_back(role.get_string());
  }
  return out;
}

}  // namespace weft::security
