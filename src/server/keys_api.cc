// SPDX-License-Identifier: Apache-2.0
#include "server/keys_api.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "security/keys.h"
#include "security/oidc.h"
#include "security/people.h"
#include "server/access.h"
#include "server/fields.h"
#include "server/openai_error.h"
#include "server/password_api.h"
#include "server/problem.h"
#include "server/runs.h"
#include "server/session_store.h"
#include "server/signin_api.h"

namespace weft::server {
namespace {

using security::Key;
using security::NewKey;

constexpr int64_t kWatchUs = 1'000'000;
constexpr size_t kListedMax = 64;
constexpr int64_t kMinutelyMax = 1'000'000'000;
constexpr int64_t kCenturyS = int64_t{100} * 365 * 86'400;

// Administrators of no tenant see and make the keys of all.
std::optional<std::string> reach(const security::Caller& caller) {
  if (caller.tenant.empty()) return std::nullopt;
  return caller.tenant;
}

// The keys as the store has them now, for this server; then `then`.
void refresh_keys(ServerContext& context, std::function<void()> then) {
  struct News {
    std::string version;
    std::optional<std::vector<Key>> keys = {};  // unless they are known
    bool passwords = false;
  };
  context.runs->read<News>(
      [known = context.access->keys_version()](store::Db& db) -> Result<News> {
        News news{TRY(security::keys_version(db))};
        if (news.version != known) news.keys = TRY(security::list_keys(db, std::nullopt));
        news.passwords = TRY(security::has_people(db));
        return news;
      },
      [&context, then = std::move(then)](Result<News> news) {
        // A store that cannot be read stops the server elsewhere; until then the known keys hold.
        if (news.ok() && news->keys) {
          context.access->set_keys(std::move(*news->keys), std::move(news->version));
        }
        if (news.ok()) context.access->set_passwords(news->passwords);
        then();
      });
}

// When the answer is there, the key is good.
void answer_new(ServerContext& context, const ExchangePtr& exchange, Result<NewKey> made) {
  if (!made.ok()) return exchange->respond(problem(made.error()));
  json::Object out = security::to_json(made->key);
  out["key"] = made->text;
  refresh_keys(context, [exchange, out = std::move(out)] {
    net::HttpResponse response = json_response(out, 201);
    response.headers.push_back({"Cache-Control", "no-store"});
    exchange->respond(std::move(response));
  });
}

// Whoever could hand out what they do not have would have it: a key with scopes makes none, and
// rotates none.
Status may_hand_out(const security::Caller& caller) {
  if (caller.everything || caller.scopes.empty()) return ok_status();
  return security::insufficient(caller, "keys:manage", "a key with more than these scopes");
}

Status start_create(ServerContext& context, const ExchangePtr& exchange,
                    Result<json::Object> given) {
  const json::Object body = TRY(std::move(given));
  const security::Caller& caller = caller_of(exchange->request());
  TRY(may_hand_out(caller));
  Fields fields(body);
  security::KeyRequest request;
  request.name = TRY(fields.required_text("name"));
  request.roles = TRY(fields.texts("roles", kListedMax));
  request.scopes = TRY(fields.texts("scopes", kListedMax));
  request.tenant = TRY(fields.text("tenant")).value_or(caller.tenant);
  request.lifetime_s = TRY(fields.integer("expires_in_s", 1, kCenturyS)).value_or(0);
  request.requests_per_minute =
      TRY(fields.integer("requests_per_minute", 1, kMinutelyMax)).value_or(0);
  request.tokens_per_minute =
      TRY(fields.integer("tokens_per_minute", 1, kMinutelyMax)).value_or(0);
  TRY(fields.finish());
  if (!caller.tenant.empty() && request.tenant != caller.tenant) {
    return security::insufficient(caller, "keys:manage", request.tenant);
  }
  request.by = caller.name;
  context.runs->read<NewKey>(
      [&context, request](store::Db& db) {
        return security::create_key(db, context.access->pepper(), request);
      },
      [&context, exchange](Result<NewKey> made) {
        answer_new(context, exchange, std::move(made));
      });
  return ok_status();
}

json::Object session_object(const security::Caller& caller) {
  json::Array roles(caller.roles.begin(), caller.roles.end());
  json::Array actions;
  for (std::string& action : security::allowed_actions(caller)) {
    actions.push_back(json::Value(std::move(action)));
  }
  return {{"name", caller.name}, {"tenant", caller.tenant}, {"roles", std::move(roles)},
          {"permissions", std::move(actions)}};
}

Status start_session(ServerContext& context, const ExchangePtr& exchange,
                     Result<json::Object> given) {
  const json::Object body = TRY(std::move(given));
  Fields fields(body);
  if (const auto name = TRY(fields.text("user"))) {
    std::string password = TRY(fields.required_text("password"));
    TRY(fields.finish());
    sign_in_by_password(context, exchange, *name, std::move(password));
    return ok_status();
  }
  const std::string key = TRY(fields.required_text("key"));
  TRY(fields.finish());
  const auto opened = context.access->open_session(exchange->request(), key);
  if (!opened) {
    exchange->respond(problem(make_error("E0760", "this key opens nothing here",
                                         "it is unknown, revoked or expired")));
    return ok_status();
  }
  answer_session(context, exchange, *opened);
  return ok_status();
}

}  // namespace

void answer_session(ServerContext& context, const ExchangePtr& exchange,
                    const Access::Opened& opened) {
  keep_session(context, opened.stored, [&context, exchange, opened](Status stored) {
    if (!stored.ok()) return exchange->respond(problem(stored.error()));
    json::Object out = session_object(opened.caller);
    out["csrf"] = opened.csrf;
    net::HttpResponse response = json_response(out, 201);
    response.headers.push_back(
        {"Set-Cookie", session_cookie(context, opened.secret, Sessions::kLifetimeUs / 1'000'000)});
    response.headers.push_back({"Cache-Control", "no-store"});
    exchange->respond(std::move(response));
  });
}

std::string session_cookie(const ServerContext& context, std::string_view value, int64_t age_s) {
  return fmt::format("{}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{}", kSessionCookie,
                     value, age_s, context.access->secure() ? "; Secure" : "");
}

void list_keys(ServerContext& context, const ExchangePtr& exchange) {
  using List = std::vector<Key>;
  context.runs->read<List>(
      [tenant = reach(caller_of(exchange->request()))](store::Db& db) {
        return security::list_keys(db, tenant);
      },
      [exchange](Result<List> keys) {
        if (!keys.ok()) return exchange->respond(problem(keys.error()));
        json::Array items;
        for (const Key& key : *keys) items.push_back(security::to_json(key));
        json::Object out{{"items", std::move(items)}};
        out["next_cursor"] = nullptr;
        exchange->respond(json_response(out));
      });
}

void create_key(ServerContext& context, const ExchangePtr& exchange) {
  with_body(context, exchange, [&context, exchange](Result<json::Object> body) {
    const Status started = start_create(context, exchange, std::move(body));
    if (!started.ok()) exchange->respond(problem(started.error()));
  });
}

void revoke_key(ServerContext& context, const ExchangePtr& exchange) {
  const net::HttpRequest& request = exchange->request();
  context.runs->read<Key>(
      [tenant = reach(caller_of(request)), id = request.parameter("id")](store::Db& db) {
        return security::revoke_key(db, tenant, id);
      },
      [&context, exchange](Result<Key> key) {
        if (!key.ok()) return exchange->respond(problem(key.error()));
        refresh_keys(context, [exchange, out = security::to_json(*key)] {
          exchange->respond(json_response(out));
        });
      });
}

void rotate_key(ServerContext& context, const ExchangePtr& exchange) {
  const auto rotate = [&context, exchange](Result<json::Object> body) -> Status {
    const json::Object given = TRY(std::move(body));
    Fields fields(given);
    const int64_t grace_s = TRY(fields.integer("grace_s", 0, kCenturyS)).value_or(0);
    TRY(fields.finish());
    const security::Caller& caller = caller_of(exchange->request());
    TRY(may_hand_out(caller));
    context.runs->read<NewKey>(
        [&context, tenant = reach(caller), id = exchange->request().parameter("id"), grace_s,
         by = caller.name](store::Db& db) {
          return security::rotate_key(db, context.access->pepper(), tenant, id, grace_s, by);
        },
        [&context, exchange](Result<NewKey> made) {
          answer_new(context, exchange, std::move(made));
        });
    return ok_status();
  };
  if (trim(exchange->request().body).empty()) exchange->request().body = "{}";
  with_body(context, exchange, [exchange, rotate](Result<json::Object> body) {
    if (const Status begun = rotate(std::move(body)); !begun.ok()) {
      exchange->respond(problem(begun.error()));
    }
  });
}

void open_session(ServerContext& context, const ExchangePtr& exchange) {
  with_body(context, exchange, [&context, exchange](Result<json::Object> body) {
    const Status started = start_session(context, exchange, std::move(body));
    if (!started.ok()) exchange->respond(problem(started.error()));
  });
}

void show_session(ServerContext& context, const ExchangePtr& exchange) {
  const net::HttpRequest& request = exchange->request();
  json::Object out = session_object(caller_of(request));
  out["keys_needed"] = context.access->keys_needed();
  out["people"] = signin_offer(context);
  out["passwords"] = context.access->passwords();
  if (const std::string* csrf = context.access->csrf_of(request)) out["csrf"] = *csrf;
  net::HttpResponse response = json_response(out);
  response.headers.push_back({"Cache-Control", "no-store"});
  exchange->respond(std::move(response));
}

void close_session(ServerContext& context, const ExchangePtr& exchange) {
  const bool person = caller_of(exchange->request()).key.starts_with("oidc:");
  const std::string hash = context.access->close_session(exchange->request());
  drop_session(context, hash, [&context, exchange, person] {
    json::Object out{{"signed_out", true}};
    if (person && context.oidc != nullptr) {
      if (std::string url = context.oidc->leave_url(); !url.empty()) out["continue_at"] = url;
    }
    net::HttpResponse response = json_response(out);
    response.headers.push_back({"Set-Cookie", session_cookie(context, "", 0)});
    exchange->respond(std::move(response));
  });
}

void watch_keys(ServerContext& context) {
  refresh_keys(context, [&context] {
    context.loop.after(kWatchUs, [&context] { watch_keys(context); });
  });
}

}  // namespace weft::server
