// SPDX-License-Identifier: Apache-2.0
#include "server/password_api.h"

#include <fmt/format.h>

#include <optional>

#include "base/strings.h"
#include "security/crypto.h"
#include "security/people.h"
#include "server/keys_api.h"
#include "server/problem.h"
#include "server/runs.h"
#include "server/session_store.h"

namespace weft::server {
namespace {

using FoundPerson = std::optional<security::Person>;

constexpr size_t kTriedBytesMax = 1024;

void record_try(ServerContext& context, const net::HttpRequest& request, const FoundPerson& person,
                bool good) {
  if (!context.audit) return;
  security::AuditRecord record;
  record.action = "sign_in";
  record.resource = "password";
  record.user = "anonymous";  // a name that is none may be a password in the wrong field
  record.outcome = good ? "ok" : "refused";
  if (person) {
    record.tenant = person->tenant;
    record.user = fmt::format("{} ({}{})", person->name, security::kPersonKey, person->id);
  }
  record.details = json::dump(json::Object{{"address", request.peer}});
  context.audit(std::move(record));
}

void respond_later(const ExchangePtr& exchange, int64_t wait_s) {
  net::HttpResponse later = problem(429, "too many tries to sign in; wait a moment");
  later.headers.push_back({"Retry-After", std::to_string(wait_s)});
  exchange->respond(std::move(later));
}

void finish_try(ServerContext& context, const ExchangePtr& exchange, const std::string& name,
                const FoundPerson& person, bool good) {
  const net::HttpRequest& request = exchange->request();
  context.access->end_try(request.peer, name, good);
  record_try(context, request, person, good);
  if (!good) {
    return exchange->respond(problem(make_error("E0760", "the name or the password is wrong",
                                                "weft users passwd sets a new one")));
  }
  answer_session(context, exchange,
                 context.access->open_person(security::caller_of(*person), Sessions::kLifetimeUs));
}

// Whether there is such a person shows neither in words nor in time.
bool password_is(const FoundPerson& person, const std::string& password) {
  static const std::string nobody = security::password_hash("nobody has this password");
  const bool fits = security::password_fits(person ? person->hash : nobody, password);
  return person && fits;
}

}  // namespace

void sign_in_by_password(ServerContext& context, const ExchangePtr& exchange, std::string name,
                         std::string password) {
  if (password.size() > kTriedBytesMax) password.clear();
  password = trim(password);                     // as `weft users` takes it
  if (name.size() > kTriedBytesMax) name.clear();  // nobody's
  const int64_t wait_s = context.access->begin_try(exchange->request().peer, name);
  if (wait_s > 0) return respond_later(exchange, wait_s);
  context.runs->read<FoundPerson>(
      [name](store::Db& db) { return security::find_person(db, name); },
      [&context, exchange, name, password = std::move(password)](Result<FoundPerson> found) {
        if (!found.ok()) {
          context.access->end_try(exchange->request().peer, name, true);
          return exchange->respond(problem(found.error()));
        }
        context.pool.submit([&context, exchange, name, password, person = *found] {
          const bool good = password_is(person, password);
          context.loop.post([&context, exchange, name, person, good] {
            finish_try(context, exchange, name, person, good);
          });
        });
      });
}

}  // namespace weft::server
