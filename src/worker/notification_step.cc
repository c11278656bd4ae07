// SPDX-License-Identifier: Apache-2.0
//
// notification: tells somebody. Every try of one notification carries the same key, so that a
// receiver that looks at it is told once.
//
//   {channel: webhook, to: URL, text, subject, headers}  POST {text, subject}, Idempotency-Key
//   {channel: chat, to: URL, text}                       POST {text}, as Slack's webhooks take it
//   {channel: email, to: address | [addresses], subject, text}   SMTP, Message-ID
//   -> {channel, status: of the answer} or {channel, message_id}
#include <algorithm>

#include "base/digest.h"
#include "base/strings.h"
#include "net/client.h"
#include "net/mail.h"
#include "net/url.h"
#include "worker/acts.h"
#include "worker/blocking_activity.h"
#include "worker/secrets.h"
#include "worker/step_types.h"
#include "worker/tool_settings.h"

namespace weft::worker {
namespace {

constexpr size_t kAnswerBytesMax = size_t{64} << 10;

Status add_headers(const json::Object& parameters, net::Request& request) {
  const json::Value* given = parameters.if_contains("headers");
  if (given == nullptr || given->is_null()) return ok_status();
  if (!given->is_object()) {
    return wrong_parameter("headers", "a mapping", std::string(json::kind_name(*given)));
  }
  for (const auto& member : given->get_object()) {
    if (!member.value().is_string()) {
      return wrong_parameter("headers", "texts", std::string(json::kind_name(member.value())));
    }
    request.headers.push_back({member.key(), std::string(member.value().get_string())});
  }
  return ok_status();
}

Result<net::Request> webhook_of(const StepContext& context, bool chat) {
  const json::Object& parameters = context.parameters;
  net::Request request;
  request.method = "POST";
  request.url = TRY(text_parameter(parameters, "to"));
  TRY(net::refuse_dot_segments(request.url));
  request.headers = {{"Content-Type", "application/json"},
                     {"Idempotency-Key", context.effect_key}};
  TRY(add_headers(parameters, request));
  json::Object body{{"text", TRY(text_parameter(parameters, "text"))}};
  const std::string subject = TRY(text_parameter_or(parameters, "subject", ""));
  if (!chat && !subject.empty()) body["subject"] = subject;
  request.body = json::dump(body);
  request.response_bytes_max = kAnswerBytesMax;
  request.redirects_max = 0;  // a message goes where it was sent, or nowhere
  if (context.deadline_us != 0) {
    request.total_timeout_ms = std::max<int64_t>(1, (context.deadline_us - context.now_us) / 1000);
  }
  return request;
}

Result<net::Mail> mail_of(const StepContext& context) {
  const json::Object& parameters = context.parameters;
  const ToolSettings* settings = context.services->tools;
  if (settings == nullptr || settings->smtp_url.empty()) {
    return make_error("E0628", "no mail server is granted to this process",
                      "start it with --smtp smtp://HOST:25 --mail-from ADDRESS");
  }
  net::Mail mail;
  mail.from = settings->mail_from;
  const json::Value* to = parameters.if_contains("to");
  if (to != nullptr && to->is_string()) {
    mail.to.emplace_back(to->get_string());
  } else if (to != nullptr && to->is_array()) {
    for (const json::Value& one : to->get_array()) {
      if (!one.is_string()) return wrong_parameter("to", "addresses", json::dump(one));
      mail.to.emplace_back(one.get_string());
    }
  }
  mail.subject = TRY(text_parameter_or(parameters, "subject", ""));
  mail.text = TRY(text_parameter(parameters, "text"));
  mail.message_id = sha256_hex(context.effect_key).substr(0, 32) + "@weft";
  if (context.deadline_us != 0) {
    mail.timeout_ms = std::max<int64_t>(1, (context.deadline_us - context.now_us) / 1000);
  }
  return mail;
}

StepOutcome webhook_outcome(Result<net::Response> response, const std::string& channel) {
  if (!response.ok()) {
    const std::string code = response.error().code;
    const bool retryable = code == "E0803" || code == "E0805" || code == "E0808";
    return StepFailure{std::move(response).error(), retryable};
  }
  const int status = response->status;
  if (status >= 200 && status < 300) {
    return StepResult{json::Object{{"channel", channel}, {"status", int64_t{status}}}, {}};
  }
  return StepFailure{make_error("E0628", fmt::format("{} answered with status {}: {}",
                                                     response->url, status,
                                                     quoted(response->body, 160))),
                     status == 408 || status == 429 || status >= 500};
}

class CallActivity final : public Activity {
 public:
  CallActivity(net::Client& client, net::Client::CallId call) : client_(client), call_(call) {}
  void cancel() override { client_.cancel(call_); }

 private:
  net::Client& client_;
  net::Client::CallId call_;
};

class NotificationStep final : public StepType {
 public:
  std::string_view name() const override { return "notification"; }
  EffectClass effect(const json::Object&, const workflow::Step&) const override {
    return EffectClass::kKeyed;
  }
  std::optional<ActTarget> target(const json::Object& parameters) const override {
    const std::string channel = word_of(parameters, "channel");
    if (channel == "email") return ActTarget{channel};  // addresses are people
    return ActTarget{fmt::format("{} {}", channel, origin_of(word_of(parameters, "to")))};
  }
  Rehearsed rehearse(const StepContext& context) const override {
    const auto channel = text_parameter(context.parameters, "channel");
    if (!channel.ok()) return Rehearsed(channel.error());
    if (*channel == "email") {
      return rehearsed(mail_of(context),
                       json::Object{{"channel", "email"}, {"message_id", kNotSent}});
    }
    if (*channel != "webhook" && *channel != "chat") return wrong_channel(*channel);
    return rehearsed(webhook_of(context, *channel == "chat"),
                     json::Object{{"channel", *channel}, {"status", int64_t{200}}});
  }
  Started start(StepContext context, StepDone done) const override {
    auto channel = text_parameter(context.parameters, "channel");
    if (!channel.ok()) return failed(std::move(channel).error(), false);
    if (*channel == "email") return send_mail(context, std::move(done));
    if (*channel == "webhook" || *channel == "chat") {
      return post(context, std::move(done), *channel);
    }
    return failed(wrong_channel(*channel), false);
  }

 private:
  static Error wrong_channel(const std::string& given) {
    return wrong_parameter("channel", "webhook, chat or email", quoted(given));
  }
  static Started post(const StepContext& context, StepDone done, const std::string& channel) {
    auto request = webhook_of(context, channel == "chat");
    if (!request.ok()) return failed(std::move(request).error(), false);
    const std::shared_ptr<const SecretValues> secrets = context.secrets;
    if (secrets != nullptr) {
      if (Status good = secrets->may_go_to(request->url); !good.ok()) {
        return failed(std::move(good).error(), false);
      }
    }
    net::Client* client = context.services->http;
    if (client == nullptr) {
      return failed(make_error("E0610", "this process makes no outbound calls"), false);
    }
    const auto call = client->send(
        std::move(*request),
        [done = std::move(done), channel, secrets](Result<net::Response> response) {
          if (secrets != nullptr && response.ok()) {
            response = secrets->redacted(std::move(*response));
          }
          done(webhook_outcome(std::move(response), channel));
        });
    return {std::nullopt, std::make_unique<CallActivity>(*client, call)};
  }
  static Started send_mail(const StepContext& context, StepDone done) {
    if (context.secrets != nullptr) {
      return failed(make_error("E0634", "a mail carries no secrets",
                               "webhook and chat send them in `to` and `headers`"), false);
    }
    auto mail = mail_of(context);
    if (!mail.ok()) return failed(std::move(mail).error(), false);
    const ToolSettings& settings = *context.services->tools;
    net::MailServer server{settings.smtp_url, settings.smtp_user, settings.smtp_password};
    const int64_t now_us = context.services->env.wall_us();
    return on_pool(context.services->pools.peers, std::move(done),
                   [server = std::move(server), mail = std::move(*mail),
                    now_us](const std::atomic<bool>& stop) mutable -> StepOutcome {
                     mail.stop = &stop;
                     const Status sent = net::send_mail(server, mail, now_us);
                     if (!sent.ok()) return StepFailure{sent.error(), true};
                     return StepResult{json::Object{{"channel", "email"},
                                                    {"message_id", mail.message_id}}, {}};
                   });
  }
};

}  // namespace

const StepType& notification_step() {
  static const NotificationStep step;
  return step;
}

}  // namespace weft::worker
