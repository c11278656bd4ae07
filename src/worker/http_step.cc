// SPDX-License-Identifier: Apache-2.0
//
// http: one request through net/client and its address guard.
//
//   {method, url, query, headers, body | json | form, expect_status, follow_redirects, bytes_max}
//   -> {status, headers: {lower-case name: value}, body: JSON if the peer says so, else text}
//
// GET, HEAD and OPTIONS are pure. Others are keyed if the step has an idempotency_key (sent as
// Idempotency-Key), else unsafe: when such a request got no answer, nobody knows whether it acted.
// One that carries a secret goes only where the secret may, and follows no redirect.
#include <algorithm>
#include <charconv>

#include "base/strings.h"
#include "net/client.h"
#include "net/url.h"
#include "worker/acts.h"
#include "worker/secrets.h"
#include "worker/step_types.h"

namespace weft::worker {
namespace {

constexpr int64_t kBodyBytesMax = int64_t{10} << 20;  // as the output of an expression

bool is_reading(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS";
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string method_of(const json::Object& parameters) {
  const json::Value* method = parameters.if_contains("method");
  return method != nullptr && method->is_string() ? std::string(method->as_string()) : "GET";
}

// Numbers and booleans as in JSON.
std::string scalar_text(const json::Value& value) {
  return value.is_string() ? std::string(value.get_string()) : json::dump(value);
}

// Members of `query`, `headers` or `form` as texts. A list in `query` and `form` sends its name
// once for each item; null sends nothing.
Result<std::vector<std::pair<std::string, std::string>>> pairs_of(const json::Object& parameters,
                                                                  std::string_view name) {
  std::vector<std::pair<std::string, std::string>> pairs;
  const json::Value* value = parameters.if_contains(name);
  if (value == nullptr || value->is_null()) return pairs;
  if (!value->is_object()) {
    return wrong_parameter(name, "a mapping", std::string(json::kind_name(*value)));
  }
  for (const auto& member : value->as_object()) {
    const bool list = member.value().is_array() && name != "headers";
    const json::Array one{list ? json::Value() : member.value()};
    for (const json::Value& item : list ? member.value().get_array() : one) {
      if (item.is_null()) continue;
      if (item.is_structured()) {
        return wrong_parameter(name, fmt::format("text for {}", quoted(member.key())),
                               std::string(json::kind_name(item)));
      }
      pairs.emplace_back(member.key(), scalar_text(item));
    }
  }
  return pairs;
}

std::string form_text(const std::vector<std::pair<std::string, std::string>>& pairs) {
  const auto append = [](std::string& out, std::string_view text) {
    for (const char c : text) {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                         (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
      out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<uint8_t>(c));
    }
  };
  std::string out;
  for (const auto& [name, value] : pairs) {
    if (!out.empty()) out += '&';
    append(out, name);
    out += '=';
    append(out, value);
  }
  return out;
}

// Body and its content type, from the one of body, json and form that is given.
Status add_body(const json::Object& parameters, net::Request& request) {
  std::string type;
  const json::Value* body = parameters.if_contains("body");
  if (const json::Value* value = parameters.if_contains("json")) {
    request.body = json::dump(*value);
    type = "application/json";
  } else if (parameters.contains("form")) {
    request.body = form_text(TRY(pairs_of(parameters, "form")));
    type = "application/x-www-form-urlencoded";
  } else if (body != nullptr && body->is_string()) {
    request.body = body->as_string();
    type = "text/plain; charset=utf-8";
  } else if (body != nullptr && !body->is_null()) {
    request.body = json::dump(*body);
    type = "application/json";
  }
  const bool typed = std::any_of(request.headers.begin(), request.headers.end(),
                                 [](const auto& h) { return lower(h.name) == "content-type"; });
  if (!type.empty() && !typed) request.headers.push_back({"Content-Type", type});
  return ok_status();
}

Result<net::Request> http_request_of(const StepContext& context, bool keyed) {
  const json::Object& parameters = context.parameters;
  net::Request request;
  request.method = TRY(text_parameter_or(parameters, "method", "GET"));
  request.url = TRY(text_parameter(parameters, "url"));
  TRY(net::refuse_dot_segments(request.url));
  request.query = TRY(pairs_of(parameters, "query"));
  for (auto& [name, value] : TRY(pairs_of(parameters, "headers"))) {
    request.headers.push_back({std::move(name), std::move(value)});
  }
  if (keyed) request.headers.push_back({"Idempotency-Key", context.effect_key});
  TRY(add_body(parameters, request));
  if (const json::Value* follow = parameters.if_contains("follow_redirects")) {
    if (!follow->is_bool()) {
      return wrong_parameter("follow_redirects", "true or false",
                             std::string(json::kind_name(*follow)));
    }
    if (!follow->as_bool()) request.redirects_max = 0;
  }
  int64_t bytes_max = kBodyBytesMax;
  if (const json::Value* limit = parameters.if_contains("bytes_max")) {
    if (!limit->is_int64() || limit->as_int64() < 1) {
      return wrong_parameter("bytes_max", "a positive integer", json::dump(*limit));
    }
    bytes_max = std::min(bytes_max, limit->as_int64());
  }
  request.response_bytes_max = static_cast<size_t>(bytes_max);
  if (context.deadline_us != 0) {
    request.total_timeout_ms = std::max<int64_t>(1, (context.deadline_us - context.now_us) / 1000);
  }
  return request;
}

bool is_expected(int status, const json::Value* expected) {
  if (expected == nullptr) return status >= 200 && status < 300;
  if (expected->is_int64()) return status == expected->as_int64();
  if (!expected->is_array()) return false;
  return std::any_of(expected->as_array().begin(), expected->as_array().end(),
                     [&](const json::Value& v) { return v.is_int64() && v.as_int64() == status; });
}

int64_t retry_after_us(const net::Response& response) {
  const std::string* header = net::find_header(response, "Retry-After");
  int64_t seconds = 0;
  if (header == nullptr) return 0;
  std::from_chars(header->data(), header->data() + header->size(), seconds);
  return std::clamp<int64_t>(seconds, 0, 86'400) * 1'000'000;
}

Result<json::Value> document_of(const net::Response& response) {
  json::Object headers;
  for (const net::Header& header : response.headers) headers[lower(header.name)] = header.value;
  json::Object out{{"status", int64_t{response.status}}};
  const std::string* type = net::find_header(response, "Content-Type");
  if (type != nullptr && lower(*type).find("json") != std::string::npos && !response.body.empty()) {
    auto value = json::parse(response.body);
    if (!value.ok()) return in_context(std::move(value).error(), response.url);
    out["body"] = std::move(value).value();
  } else if (invalid_utf8_at(response.body)) {
    return make_error("E0611", fmt::format("the answer of {} is not UTF-8 text", response.url),
                      "an http step takes JSON and text only");
  } else {
    out["body"] = response.body;
  }
  out["headers"] = std::move(headers);
  return json::Value(std::move(out));
}

StepOutcome response_outcome(Result<net::Response> response, const json::Value* expected,
                             bool unsafe) {
  if (!response.ok()) {
    const std::string& code = response.error().code;
    const bool maybe_sent = code == "E0803" || code == "E0805" || code == "E0807" ||
                            code == "E0808";
    if (unsafe && maybe_sent) return StepUnknown{std::move(response).error()};
    const bool retryable = code == "E0803" || code == "E0805" || code == "E0808";
    return StepFailure{std::move(response).error(), retryable, 0};
  }
  const int status = response->status;
  if (!is_expected(status, expected)) {
    const bool retryable = status == 408 || status == 429 || status >= 500;
    return StepFailure{make_error("E0611",
                                  fmt::format("{} answered with status {}: {}", response->url,
                                              status, quoted(response->body, 160)),
                                  "set expect_status if this status is an answer, too"),
                       retryable, retry_after_us(*response)};
  }
  auto document = document_of(*response);
  if (!document.ok()) return StepFailure{std::move(document).error(), false, 0};
  return StepResult{std::move(document).value(), {}};
}

class HttpActivity final : public Activity {
 public:
  HttpActivity(net::Client& client, net::Client::CallId call) : client_(client), call_(call) {}
  void cancel() override { client_.cancel(call_); }

 private:
  net::Client& client_;
  net::Client::CallId call_;
};

class HttpStep final : public StepType {
 public:
  std::string_view name() const override { return "http"; }
  EffectClass effect(const json::Object& parameters, const workflow::Step& step) const override {
    if (is_reading(method_of(parameters))) return EffectClass::kPure;
    return step.idempotency_key().empty() ? EffectClass::kUnsafe : EffectClass::kKeyed;
  }
  std::optional<ActTarget> target(const json::Object& parameters) const override {
    return ActTarget{fmt::format("{} {}", method_of(parameters),
                                 origin_of(word_of(parameters, "url")))};
  }
  Rehearsed rehearse(const StepContext& context) const override {
    const json::Value* wanted = context.parameters.if_contains("expect_status");
    if (wanted != nullptr && wanted->is_array() && !wanted->get_array().empty()) {
      wanted = &wanted->get_array().front();
    }
    const bool named = wanted != nullptr && wanted->is_int64();
    return rehearsed(http_request_of(context, false),
                     json::Object{{"status", named ? wanted->get_int64() : int64_t{200}},
                                  {"body", kNotSent},
                                  {"headers", json::Object()}});
  }
  Started start(StepContext context, StepDone done) const override {
    auto request = http_request_of(context, context.effect == EffectClass::kKeyed);
    if (!request.ok()) return failed(std::move(request).error(), false);
    const std::shared_ptr<const SecretValues> secrets = context.secrets;
    if (secrets != nullptr) {
      if (Status good = secrets->may_go_to(request->url); !good.ok()) {
        return failed(std::move(good).error(), false);
      }
      request->redirects_max = 0;  // a server does not decide where they go
    }
    net::Client* client = context.services->http;
    if (client == nullptr) {
      return failed(make_error("E0610", "this process makes no outbound calls"), false);
    }
    std::shared_ptr<const json::Value> expected;
    if (const json::Value* status = context.parameters.if_contains("expect_status")) {
      expected = std::make_shared<const json::Value>(*status);
    }
    const bool unsafe = context.effect == EffectClass::kUnsafe;
    const auto call = client->send(std::move(*request), [done = std::move(done), expected, unsafe,
                                                         secrets](Result<net::Response> response) {
      // before anything is quoted and cut
      if (secrets != nullptr && response.ok()) response = secrets->redacted(std::move(*response));
      done(response_outcome(std::move(response), expected.get(), unsafe));
    });
    return {std::nullopt, std::make_unique<HttpActivity>(*client, call)};
  }
};

}  // namespace

const StepType& http_step() {
  static const HttpStep step;
  return step;
}

}  // namespace weft::worker
