// SPDX-License-Identifier: Apache-2.0
#include "server/answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "server/access.h"
#include "server/answer_redaction.h"
#include "server/audit_api.h"
#include "server/openai_error.h"
#include "server/problem.h"

namespace weft::server {
namespace {

using backend::ChatDelta;
using backend::ChatResult;

// Beyond so many unsent bytes deltas are joined instead of sent.
constexpr size_t kUnsentBytes = size_t{64} << 10;
// A stream begins with its first text, or after this long: so errors found at once have a status
// of their own, and a client that waits for a long prompt sees that it is being worked on.
constexpr int64_t kOpenAfterUs = 500'000;
// A stream that has nothing to say is heard at least so often: proxies close silent connections,
// after 30 s the strictest of them, and a long prompt takes longer.
constexpr int64_t kPingUs = 10'000'000;

// Keeps itself alive through the callbacks of its calls.
class Answer : public std::enable_shared_from_this<Answer> {
 public:
  Answer(ServerContext& context, ExchangePtr exchange, AnswerPlan plan)
      : context_(context), exchange_(std::move(exchange)), plan_(std::move(plan)),
        choices_(static_cast<size_t>(plan_.choices)), begin_ns_(context.env.mono_ns()),
        caller_(caller_of(exchange_->request())) {
    context_.answers += plan_.choices;
    if (plan_.redaction == nullptr) return;
    for (Choice& choice : choices_) choice.redaction.emplace(*plan_.redaction, plan_.json_answer);
  }

  void start() {
    const auto self = shared_from_this();
    exchange_->on_closed([weak = weak_from_this()] {
      if (const auto held = weak.lock()) held->cancel();
    });
    const bool routed = std::ranges::find(context_.routes, plan_.model) != context_.routes.end();
    if (routed || context_.chats.is_remote(plan_.model)) {  // nothing to load, and no facts
      backend::ModelFacts facts;
      facts.source = plan_.model;
      return context_.loop.post([self, facts] { self->on_facts(facts); });
    }
    backend::model_facts(context_.backend, plan_.model, [self](Result<backend::ModelFacts> facts) {
      auto told = std::make_shared<Result<backend::ModelFacts>>(std::move(facts));
      self->context_.loop.post([self, told] { self->on_facts(std::move(*told)); });
    });
  }

 private:
  struct Choice {
    std::shared_ptr<backend::ChatCall> call;
    std::optional<ChatResult> result;
    std::vector<ChatDelta> unsent;  // in order, joined while the client reads slowly
    int64_t first_ns = 0;   // of the first text
    std::optional<AnswerRedaction> redaction;
  };

  void on_facts(Result<backend::ModelFacts> facts) {
    if (!facts.ok()) fail(facts.error());
    if (ended_ || cancelled_) return release();
    plan_.form->set_facts(*facts);
    model_ = facts->source;
    for (int i = 0; i < plan_.choices; ++i) start_call(i);
    if (!plan_.stream) return;
    timer_ = context_.loop.after(kOpenAfterUs, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) {
        self->timer_ = 0;
        if (self->ended_) return;
        self->open();
        self->ping_later();
      }
    });
  }

  // A comment of server-sent events, which every client passes over; none while bytes wait.
  void ping_later() {
    const int64_t silent_us = (context_.env.mono_ns() - wrote_ns_) / 1000;
    timer_ = context_.loop.after(std::max<int64_t>(1, kPingUs - silent_us),
                                 [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self == nullptr) return;
      self->timer_ = 0;
      if (self->ended_) return;
      const int64_t now_ns = self->context_.env.mono_ns();
      if (now_ns - self->wrote_ns_ >= kPingUs * 1000) {
        if (self->exchange_->unsent_bytes() == 0) self->exchange_->write(": ping\n\n");
        self->wrote_ns_ = now_ns;
      }
      self->ping_later();
    });
  }

  void start_call(int i) {
    const auto self = shared_from_this();
    backend::ChatCallbacks callbacks;
    if (plan_.stream) {
      callbacks.on_delta = [self, i](const ChatDelta& delta) {
        self->context_.loop.post([self, i, delta] { self->on_delta(i, delta); });
      };
    }
    callbacks.on_lost = [self](const ChatResult& lost) {
      self->context_.loop.post([self, tokens = lost.tokens] { self->charge(tokens); });
    };
    callbacks.on_done = [self, i](Result<ChatResult> result) {
      auto told = std::make_shared<Result<ChatResult>>(std::move(result));
      self->context_.loop.post([self, i, told] { self->on_done(i, std::move(*told)); });
    };
    choice(i).call = plan_.start(i, std::move(callbacks));
  }

  Choice& choice(int i) { return choices_.at(static_cast<size_t>(i)); }

  void open() {
    if (opened_) return;
    opened_ = true;
    exchange_->on_drained([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->send_unsent();
    });
    wrote_ns_ = context_.env.mono_ns();
    exchange_->begin({.headers = plan_.headers});
    for (int i = 0; i < plan_.choices; ++i) exchange_->write(plan_.form->opening(i));
  }

  void on_delta(int i, const ChatDelta& delta) {
    if (ended_) return;
    open();
    Choice& to = choice(i);
    if (to.first_ns == 0) to.first_ns = context_.env.mono_ns();
    join(to, to.redaction ? to.redaction->delta(delta) : delta);
    if (exchange_->unsent_bytes() < kUnsentBytes) send_unsent();
  }

  // Forms write calls behind text: text that comes behind a call is not joined with it.
  static void join(Choice& to, const ChatDelta& delta) {
    const bool text = !delta.reasoning.empty() || !delta.content.empty();
    if (to.unsent.empty() || (text && !to.unsent.back().calls.empty())) {
      return to.unsent.push_back(delta);
    }
    ChatDelta& last = to.unsent.back();
    last.reasoning += delta.reasoning;
    last.content += delta.content;
    last.tokens = delta.tokens;
    for (const chat::CallPiece& piece : delta.calls) chat::append_piece(last.calls, piece);
    last.generated.insert(last.generated.end(), delta.generated.begin(), delta.generated.end());
  }

  void send_unsent() {
    if (ended_) return;
    for (int i = 0; i < plan_.choices; ++i) {
      for (const ChatDelta& delta : std::exchange(choice(i).unsent, {})) {
        const std::string text = plan_.form->delta(i, delta);
        if (text.empty()) continue;  // all of it is held by the redaction
        wrote_ns_ = context_.env.mono_ns();
        exchange_->write(text);
      }
    }
  }

  void on_done(int i, Result<ChatResult> result) {
    if (result.ok()) {
      on_result(i, std::move(result));
    } else {
      fail(result.error());
    }
    if (++arrived_ == plan_.choices) release();
  }

  void charge(const backend::TokenCounts& spent) {
    if (context_.access == nullptr) return;
    context_.access->charge(caller_.key, spent.prompt + spent.reasoning + spent.answer);
  }

  void on_result(int i, Result<ChatResult> result) {
    Choice& done = choice(i);
    const int64_t now_ns = context_.env.mono_ns();
    const auto seconds = [&](int64_t at_ns) {
      return static_cast<double>(at_ns - begin_ns_) / 1e9;
    };
    charge(result->tokens);
    const bool began = !result->evidence.model_hash.empty() || !result->evidence.remote.empty();
    if (began || result->finish_reason != "cancelled") {  // else nobody asked a model
      record_decision(context_, caller_, *result);
      context_.metrics.generation(model_, *result, seconds(now_ns),
                                  done.first_ns != 0 ? seconds(done.first_ns) : -1);
    }
    if (ended_ || cancelled_) return;
    done.result = std::move(*result);
    if (done.redaction) {
      if (plan_.stream) join_rest(done);
      done.redaction->redact(*done.result);
    }
    if (plan_.stream) {
      open();
      send_unsent();
      exchange_->write(plan_.form->closing(i, *done.result));
    }
    if (++done_ == plan_.choices) end();
  }

  // Nothing of it may have been told yet: the counts stay those of the last delta.
  static void join_rest(Choice& to) {
    ChatDelta rest = to.redaction->rest();
    if (rest.reasoning.empty() && rest.content.empty() && rest.calls.empty()) return;
    rest.tokens = to.result->tokens;
    join(to, rest);
  }

  void end() {
    std::vector<ChatResult> results;
    for (Choice& choice : choices_) results.push_back(std::move(*choice.result));
    if (const Status good = plan_.form->check(results); !good.ok()) return fail(good.error());
    ended_ = true;
    drop_timer();
    if (plan_.stream) {
      exchange_->write(plan_.form->ending(results));
      exchange_->end();
    } else {
      net::HttpResponse response = json_response(plan_.form->whole(results));
      for (net::Header& header : plan_.headers) response.headers.push_back(std::move(header));
      exchange_->respond(std::move(response));
    }
  }

  void fail(const Error& error) {
    if (ended_) return;
    ended_ = true;
    drop_timer();
    cancel();
    const bool problems = plan_.form->tells_problems();
    const Error told = problems ? error : in_request_words(error, plan_.words);
    if (opened_) {
      exchange_->write(plan_.form->failure(told));
      exchange_->end();
    } else {
      exchange_->respond(problems ? problem(told) : openai_error(told));
    }
  }

  // No more callbacks come. The last of them may yet be destroyed on the engine's thread and this
  // object with it: nothing of the loop's is left to its destructor.
  void release() {
    context_.answers -= plan_.choices;
    drop_timer();
    exchange_.reset();
  }

  void cancel() {
    cancelled_ = true;
    for (const Choice& choice : choices_) {
      if (choice.call) choice.call->cancel();
    }
  }

  void drop_timer() {
    if (timer_ != 0) context_.loop.cancel(std::exchange(timer_, 0));
  }

  ServerContext& context_;
  ExchangePtr exchange_;
  AnswerPlan plan_;
  std::vector<Choice> choices_;
  const int64_t begin_ns_;
  const security::Caller caller_;
  std::string model_;
  worker::Loop::TimerId timer_ = 0;
  int64_t wrote_ns_ = 0;  // the last time
  int done_ = 0;     // choices with a result
  int arrived_ = 0;  // choices with a result or an error
  bool opened_ = false;
  bool ended_ = false;
  bool cancelled_ = false;
};

}  // namespace

void answer(ServerContext& context, const ExchangePtr& exchange, AnswerPlan plan) {
  CHECK(plan.choices > 0 && plan.start && plan.form);
  if (context.answers + plan.choices > context.answers_max) {
    const std::string why = fmt::format("{} answers are being generated already",
                                        context.answers);
    net::HttpResponse later = plan.form->tells_problems() ? problem(429, why)
                                                          : openai_refusal(429, why);
    later.headers.push_back({"Retry-After", "1"});
    return exchange->respond(std::move(later));
  }
  std::make_shared<Answer>(context, exchange, std::move(plan))->start();
}

}  // namespace weft::server
