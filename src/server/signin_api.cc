// SPDX-License-Identifier: Apache-2.0
#include "server/signin_api.h"

#include <fmt/format.h>

#include "base/html.h"

#include "security/oidc.h"
#include "server/access.h"
#include "server/audit_api.h"
#include "server/keys_api.h"
#include "server/problem.h"

namespace weft::server {
namespace {

constexpr std::string_view kSigninCookie = "weft_signin";
constexpr std::string_view kSigninPath = "/session/oidc";

struct PageWords {
  std::string_view code;
  int status;
  std::string_view english, korean;
};
constexpr PageWords kPageWords[] = {
    {"E0780", 502, "The identity provider does not answer as it should. Try again in a minute.",
     "인증 제공자가 올바르게 응답하지 않습니다. 잠시 후 다시 시도하세요."},
    {"E0781", 400, "This sign-in is over, or was not begun here. Begin again.",
     "이 로그인은 이미 끝났거나 여기서 시작되지 않았습니다. 다시 시작하세요."},
    {"E0782", 401, "What the identity provider says about you is not believed.",
     "인증 제공자가 보낸 정보를 신뢰할 수 없습니다."},
    {"E0783", 403, "You may not sign in here. Ask whoever administers this server.",
     "이 서버에 로그인할 권한이 없습니다. 서버 관리자에게 문의하세요."},
    {"E0784", 429, "Too many sign-ins from this address. Wait a minute.",
     "이 주소에서 로그인 시도가 너무 많습니다. 1분 뒤에 다시 시도하세요."},
};

bool wants_korean(const net::HttpRequest& request) {
  const std::string* languages = request.header("Accept-Language");
  return languages != nullptr && languages->starts_with("ko");
}

// Lax, not Strict: the browser comes back from another site.
std::string signin_cookie(const ServerContext& context, std::string_view value, int64_t age_s) {
  return fmt::format("{}={}; Path={}; HttpOnly; SameSite=Lax; Max-Age={}{}", kSigninCookie, value,
                     kSigninPath, age_s, context.access->secure() ? "; Secure" : "");
}

net::HttpResponse redirect(std::string url) {
  return {302, {{"Location", std::move(url)}, {"Cache-Control", "no-store"},
                {"Referrer-Policy", "no-referrer"}}, {}};
}

void record_signin(ServerContext& context, const net::HttpRequest& request,
                   const Result<security::Caller>& caller) {
  if (!context.audit) return;
  security::AuditRecord record;
  record.action = "sign_in";
  record.resource = context.oidc->options().issuer;
  record.user = "anonymous";
  json::Object details{{"address", request.peer}};
  if (caller.ok()) {
    record.tenant = caller->tenant;
    record.user = fmt::format("{} ({})", caller->name, caller->key);
    json::Array roles(caller->roles.begin(), caller->roles.end());
    details["roles"] = std::move(roles);
  } else {
    record.outcome = caller.error().code == "E0780" ? "failed" : "refused";
    details["code"] = caller.error().code;
    details["why"] = caller.error().message;
  }
  record.details = json::dump(details);
  context.audit(std::move(record));
}

void finished(ServerContext& context, const ExchangePtr& exchange,
              Result<security::Caller> caller) {
  record_signin(context, exchange->request(), caller);
  const auto answer = [&context, exchange](net::HttpResponse response) {
    response.headers.push_back({"Set-Cookie", signin_cookie(context, "", 0)});
    exchange->respond(std::move(response));
  };
  if (!caller.ok()) return answer(signin_page(caller.error(), wants_korean(exchange->request())));
  const int64_t session_us = context.oidc->options().session_us;
  const Access::Opened opened = context.access->open_person(std::move(*caller), session_us);
  keep_session(context, opened.stored,
               [&context, answer, session_us, secret = opened.secret](Status stored) {
                 if (!stored.ok()) return answer(problem(stored.error()));
                 net::HttpResponse response = redirect("/");
                 response.headers.push_back(
                     {"Set-Cookie", session_cookie(context, secret, session_us / 1'000'000)});
                 answer(std::move(response));
               });
}

// Whether the request may go on; else it is answered.
bool may_try(ServerContext& context, const ExchangePtr& exchange) {
  const net::HttpRequest& request = exchange->request();
  if (context.oidc == nullptr) {
    exchange->respond(problem(404, "people do not sign in here: no identity provider is set up"));
    return false;
  }
  if (context.access->may_sign_in(request.peer)) return true;
  exchange->respond(signin_page(make_error("E0784", "too many sign-ins from this address",
                                           "wait a minute"), wants_korean(request)));
  return false;
}

std::string query_text(const net::HttpRequest& request, std::string_view name) {
  const std::string* found = net::find_parameter(request.query, name);
  return found == nullptr ? std::string() : *found;
}

}  // namespace

net::HttpResponse signin_page(const Error& error, bool korean) {
  const PageWords* words = &kPageWords[0];
  for (const PageWords& one : kPageWords) {
    if (one.code == error.code) words = &one;
  }
  const std::string body = fmt::format(
      "<!doctype html>\n<html lang=\"{0}\">\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>weft: {1}</title>\n"
      "<h1>{1}</h1>\n<p>{2}</p>\n<p><small>{3} {4}</small></p>\n"
      "<p><a href=\"/\">{5}</a></p>\n</html>\n",
      korean ? "ko" : "en", korean ? "로그인하지 못했습니다" : "You are not signed in",
      korean ? words->korean : words->english, html_text(error.code),
      html_text(error.message), korean ? "로그인 화면으로" : "To the sign-in page");
  return {words->status,
          {{"Content-Type", "text/html; charset=utf-8"},
           {"Content-Security-Policy", "default-src 'none'; base-uri 'none'; "
                                       "form-action 'none'; frame-ancestors 'none'"},
           {"X-Content-Type-Options", "nosniff"},
           {"Referrer-Policy", "no-referrer"},
           {"Cache-Control", "no-store"}},
          body};
}

json::Value signin_offer(const ServerContext& context) {
  if (context.oidc == nullptr) return nullptr;
  return json::Object{{"label", context.oidc->options().label}, {"url", kSigninPath}};
}

void begin_signin(ServerContext& context, const ExchangePtr& exchange) {
  if (!may_try(context, exchange)) return;
  context.oidc->begin([&context, exchange](Result<security::Oidc::Begun> begun) {
    if (!begun.ok()) {
      record_signin(context, exchange->request(), begun.error());
      return exchange->respond(
          signin_page(begun.error(), wants_korean(exchange->request())));
    }
    net::HttpResponse response = redirect(std::move(begun->url));
    response.headers.push_back(
        {"Set-Cookie", signin_cookie(context, begun->cookie,
                                     security::Oidc::kPendingUs / 1'000'000)});
    exchange->respond(std::move(response));
  });
}

void finish_signin(ServerContext& context, const ExchangePtr& exchange) {
  if (!may_try(context, exchange)) return;
  const net::HttpRequest& request = exchange->request();
  const std::string* cookies = request.header("Cookie");
  security::Oidc::Returned returned;
  returned.state = query_text(request, "state");
  returned.code = query_text(request, "code");
  returned.issuer = query_text(request, "iss");
  returned.error = query_text(request, "error");
  if (cookies != nullptr) returned.cookie = cookie_of(*cookies, kSigninCookie);
  context.oidc->finish(returned, [&context, exchange](Result<security::Caller> caller) {
    finished(context, exchange, std::move(caller));
  });
}

}  // namespace weft::server
