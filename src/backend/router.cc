// SPDX-License-Identifier: Apache-2.0
#include "backend/router.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/local_call.h"
#include "base/env.h"

namespace weft::backend {
namespace {

constexpr double kNewest = 0.3;       // share of the newest answer in what is measured
constexpr int64_t kAnswerReserve = 64;
constexpr size_t kBytesPerToken = 3;    // of JSON, with caution: English has 4, ids 2
constexpr int64_t kFrameTokens = 32;    // what a chat template adds around it

std::string route_text(const json::Object& object, std::string_view name) {
  const json::Value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

json::Array route_list(const json::Object& object, std::string_view name) {
  const json::Value* value = object.if_contains(name);
  return value != nullptr && value->is_array() ? value->get_array() : json::Array();
}

// The route that a record says, for a decision that is made again.
Route pinned_route(const ChatRequest& request) {
  const json::Object& record = request.route.pinned;
  Route route;
  route.model = route_text(record, "model");
  route.escalate_to = route_text(record, "escalate_to");
  route.adaptive = record.contains("adaptive");
  route.max_tokens = request.max_tokens;
  route.thinking = route.adaptive ? Thinking::kOff : request.thinking;
  const std::string mode = route_text(record, "thinking");
  if (mode == "off") route.thinking = Thinking::kOff;
  if (mode == "on") route.thinking = Thinking::kOn;
  if (const json::Value* most = record.if_contains("max_tokens"); most && most->is_int64()) {
    route.max_tokens = most->get_int64();
  }
  if (const json::Value* budget = record.if_contains("thinking_budget");
      budget && budget->is_int64()) {
    route.thinking_budget = budget->get_int64();
  }
  return route;
}

}  // namespace

// One request: the first answer, and the second one where the first was not sure.
class RoutedCall final : public ChatCall, public std::enable_shared_from_this<RoutedCall> {
 public:
  // What the route may cost is held in the ledger by now, under `spending`.
  RoutedCall(Router& router, Route route, std::vector<SpendingKey> spending, ChatRequest request,
             ChatCallbacks callbacks)
      : router_(router), route_(std::move(route)), spending_(std::move(spending)),
        request_(std::move(request)), callbacks_(std::move(callbacks)),
        begun_ns_(real_env().mono_ns()), second_held_(route_.second_price) {
    if (const json::Value* sure = request_.route.pinned.if_contains("sure");
        sure != nullptr && sure->is_number()) {
      sure_ = sure->to_number<double>();
    } else {
      sure_ = router.config_.sure;
    }
  }

  void cancel() override {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    if (call_) call_->cancel();
  }

  void start() {
    ChatRequest first = request_;
    first.model = route_.model;
    first.thinking = route_.thinking;
    first.thinking_budget_tokens = route_.thinking_budget;
    first.max_tokens = route_.max_tokens;
    first.hurries = route_list(request_.route.pinned, "hurries");
    ChatCallbacks callbacks;
    if (route_.adaptive) {
      first.logprobs = first.logprobs || first.output_schema.is_null();
    } else {
      callbacks.on_delta = callbacks_.on_delta;
      callbacks.on_partial = callbacks_.on_partial;
    }
    callbacks.on_done = [self = shared_from_this()](Result<ChatResult> result) {
      self->first_done(std::move(result));
    };
    callbacks.on_lost = when_lost(route_.model);
    begin(std::move(first), std::move(callbacks));
  }

 private:
  // What broke off is paid for beside what the call comes to.
  std::function<void(const ChatResult&)> when_lost(const std::string& model) {
    return [self = shared_from_this(), model](const ChatResult& lost) {
      Ledger& ledger = *self->router_.ledger_;
      ledger.hold(self->spending_, 0);
      ledger.settle(self->spending_, 0, self->router_.price(model, lost));
      if (self->callbacks_.on_lost) self->callbacks_.on_lost(lost);
    };
  }

  void begin(ChatRequest request, ChatCallbacks callbacks) {
    Backend& backend = router_.backend_of(request.model);
    auto call = backend.chat(std::move(request), std::move(callbacks));
    const std::lock_guard lock(mutex_);
    if (done_ || generation_ > 0) return;  // its end came first
    call_ = std::move(call);
    if (cancelled_) call_->cancel();
  }

  json::Object record(const std::string& model, double price, const Evidence& evidence) const {
    json::Object out = route_record(route_);
    if (!evidence.hurries.empty()) {
      out["hurries"] = evidence.hurries;
      for (std::string& reason : hurries_in_words(evidence.hurries)) {
        out["why"].as_array().emplace_back(std::move(reason));
      }
    }
    if (request_.model != model) out["asked_for"] = request_.model;
    if (route_.adaptive) out["sure"] = sure_;
    if (price > 0) out["price"] = price;
    return out;
  }

  // The answer's price, now that it has ended.
  double settle(double held, const std::string& model, const Result<ChatResult>& result) {
    const double price = result.ok() ? router_.note(model, *result) : 0;
    router_.ledger_->settle(spending_, held, price);
    return price;
  }
  // No second answer is asked for.
  void settle_second() {
    if (route_.adaptive) router_.ledger_->settle(spending_, second_held_, 0);
  }

  void first_done(Result<ChatResult> result) {
    const double price = settle(route_.price, route_.model, result);
    if (!result.ok()) {
      settle_second();
      return finish(std::move(result));
    }
    result->evidence.route = record(route_.model, price, result->evidence);
    if (!route_.adaptive) return finish(std::move(result));
    const double confidence = confidence_of(*result);
    result->evidence.route["confidence"] = confidence;
    const bool whole = result->finish_reason != "length";
    const bool calls = !result->tool_calls.empty();
    bool cancelled = false;
    {
      const std::lock_guard lock(mutex_);
      cancelled = cancelled_;
    }
    const bool ended = cancelled || result->finish_reason == "cancelled" ||
                       route_.escalate_to.empty();
    if ((whole && confidence >= sure_) || calls || ended) return keep(std::move(*result));
    ask_again(std::move(*result));
  }

  // What was not told on the way is told now.
  void keep(ChatResult result) {
    settle_second();
    if (callbacks_.on_delta) {
      ChatDelta all{result.reasoning, result.content, result.tokens, result.calls};
      if (request_.logprobs) all.generated = result.generated;
      callbacks_.on_delta(all);
    }
    if (!request_.logprobs) result.generated.clear();
    finish(std::move(result));
  }

  void ask_again(ChatResult first) {
    const std::shared_lock gate(router_.ending_mutex_);
    if (router_.ending_ || !has_room(first)) return keep(std::move(first));
    ChatRequest second = request_;
    second.model = route_.escalate_to;
    second.thinking = Thinking::kOn;
    second.max_tokens = route_.max_tokens;
    if (second.deadline_ms) {
      const int64_t gone_ms = (real_env().mono_ns() - begun_ns_) / 1'000'000;
      second.deadline_ms = std::max<int64_t>(1, *second.deadline_ms - gone_ms);
    }
    second.thinking_budget_tokens = second_budget(second);
    second.hurries = route_list(request_.route.pinned, "second_hurries");
    first.generated.clear();
    auto earlier = std::make_shared<const ChatResult>(std::move(first));
    ChatCallbacks callbacks;
    callbacks.on_delta = callbacks_.on_delta;
    callbacks.on_partial = callbacks_.on_partial;
    callbacks.on_lost = when_lost(second.model);
    callbacks.on_done = [self = shared_from_this(), earlier,
                         budget = second.thinking_budget_tokens](Result<ChatResult> result) {
      const std::string& model = self->route_.escalate_to;
      const double price = self->settle(self->second_held_, model, result);
      if (!result.ok()) return self->finish(std::move(result));
      result->evidence.route = self->record(model, price, result->evidence);
      result->evidence.route["model"] = model;
      result->evidence.route["thinking"] = "on";
      if (budget) result->evidence.route["thinking_budget"] = *budget;
      result->earlier.push_back(earlier);
      self->finish(std::move(result));
    };
    Backend& backend = router_.backend_of(second.model);
    auto call = backend.chat(std::move(second), std::move(callbacks));
    const std::lock_guard lock(mutex_);
    generation_ = 1;
    if (done_) return;
    call_ = std::move(call);
    if (cancelled_) call_->cancel();
  }

  // Now that the first answer's price and the prompt's tokens are known.
  bool has_room(ChatResult& first) {
    if (!request_.route.pinned.empty()) return true;  // decided already, whatever it costs
    const std::string broken = router_.hold_second(spending_, route_, first.tokens.prompt,
                                                   second_held_);
    if (broken.empty()) return true;
    json::Object& record = first.evidence.route;
    record.erase("escalate_to");
    record["why"].as_array().emplace_back(
        fmt::format("the ceiling per {} leaves no room for a second answer", broken));
    return false;
  }

  std::optional<int64_t> second_budget(const ChatRequest& second) const {
    if (const json::Value* again = request_.route.pinned.if_contains("second_budget");
        again != nullptr && again->is_int64()) {
      return again->get_int64();
    }
    if (!request_.route.auto_budget) return request_.thinking_budget_tokens;
    RouteQuery query;
    query.max_tokens = second.max_tokens;
    query.answer_reserve = kAnswerReserve;
    query.left_ms = second.deadline_ms;
    query.measured = router_.measured();
    query.keeps_deadlines = router_.local_models();
    return affordable_thinking(query, second.model, request_.thinking_budget_tokens);
  }

  void finish(Result<ChatResult> result) {
    std::shared_ptr<ChatCall> last;
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
      last = std::move(call_);
    }
    callbacks_.on_done(std::move(result));
  }

  Router& router_;
  const Route route_;
  const std::vector<SpendingKey> spending_;
  const ChatRequest request_;
  const ChatCallbacks callbacks_;
  const int64_t begun_ns_;
  double sure_ = 0;
  double second_held_;  // in the ledger, for the second answer; changed before that begins
  std::mutex mutex_;  // guards the rest
  std::shared_ptr<ChatCall> call_;
  int generation_ = 0;  // 1: the second answer is under way
  bool cancelled_ = false;
  bool done_ = false;
};

Router::Router(std::unique_ptr<LocalBackend> local, std::unique_ptr<RemoteBackend> remote,
               RoutingConfig config)
    : config_(std::move(config)), ledger_(std::make_shared<Ledger>(config_.ceilings)),
      local_(std::move(local)), remote_(std::move(remote)) {
  CHECK(local_ != nullptr);
}

// Each backend ends its calls, and what an unsure answer would ask may be gone by then.
Router::~Router() {
  {
    const std::unique_lock gate(ending_mutex_);
    ending_ = true;
  }
  remote_.reset();
  local_.reset();
}

Backend& Router::backend_of(const std::string& model) {
  if (remote_ != nullptr && remote_->knows(model)) return *remote_;
  return *local_;
}

// What the route may cost is held from here on: no two requests pass a ceiling that has room for
// one.
Result<Route> Router::route_of(const ChatRequest& request,
                               const std::vector<SpendingKey>& spending) {
  const auto hold = [&](const Route& route) {
    ledger_->hold(spending, route.price);
    if (route.adaptive) ledger_->hold(spending, route.second_price);
  };
  if (!request.route.pinned.empty()) {  // decided already, whatever it costs
    Route route = pinned_route(request);
    hold(route);
    return route;
  }
  RouteQuery query;
  query.model = request.model;
  query.wish = request.route;
  query.thinking = request.thinking;
  query.thinking_budget = request.thinking_budget_tokens;
  query.max_tokens = request.max_tokens;
  query.answer_reserve = kAnswerReserve;
  query.left_ms = request.deadline_ms;
  query.keeps_deadlines = local_models();
  size_t bytes = 0;
  for (const json::Value& message : request.messages) bytes += json::dump(message).size();
  for (const json::Value& tool : request.tools) bytes += json::dump(tool).size();
  if (!request.output_schema.is_null()) bytes += json::dump(request.output_schema).size();
  query.prompt_tokens = static_cast<int64_t>(bytes / kBytesPerToken) + kFrameTokens;
  const std::lock_guard lock(mutex_);
  query.measured = measured_;
  query.spent = ledger_->spent(spending);
  Route route = TRY(choose_route(config_, query));
  hold(route);
  return route;
}

// The first answer counts at what it has cost, and the second one's prompt at what it came to.
std::string Router::hold_second(const std::vector<SpendingKey>& spending, const Route& route,
                                int64_t prompt_tokens, double& held) {
  const std::lock_guard lock(mutex_);
  RouteQuery query;
  query.prompt_tokens = prompt_tokens;
  query.measured = measured_;
  const double most = highest_price(config_, query, route.escalate_to, route.max_tokens);
  ledger_->settle(spending, held, 0);
  std::string broken = broken_ceiling(config_, ledger_->spent(spending), route.escalate_to, most);
  held = broken.empty() ? most : 0;
  ledger_->hold(spending, held);
  return broken;
}

std::shared_ptr<ChatCall> Router::chat(ChatRequest request, ChatCallbacks callbacks) {
  CHECK(callbacks.on_done != nullptr);
  if (!wants_route(config_, request.model, request.route)) {
    Backend& backend = backend_of(request.model);
    return backend.chat(std::move(request), std::move(callbacks));
  }
  std::vector<SpendingKey> spending = ledger_->keys(request.route, real_env().wall_us());
  auto route = route_of(request, spending);
  if (!route.ok()) {
    class Refused final : public ChatCall {
      void cancel() override {}
    };
    // Answered where answers come from: never inside of the call.
    local_->prepare("", [error = route.error(), done = std::move(callbacks.on_done)](Status) {
      done(error);
    });
    return std::make_shared<Refused>();
  }
  auto call = std::make_shared<RoutedCall>(*this, std::move(*route), std::move(spending),
                                           std::move(request), std::move(callbacks));
  call->start();
  return call;
}

std::function<bool(const std::string&)> Router::local_models() const {
  return [this](const std::string& model) { return remote_ == nullptr || !remote_->knows(model); };
}

bool Router::is_remote(const std::string& model) const {
  if (remote_ == nullptr) return false;
  if (remote_->knows(model)) return true;
  // Where the rules lead may depend on the moment: whatever they decide counts as outside.
  return config_.has_names(model) || !config_.classes.empty() ||
         (model == "default" && config_.devices.contains(config_.device));
}

std::map<std::string, Measured> Router::measured() const {
  const std::lock_guard lock(mutex_);
  return measured_;
}

double Router::price(const std::string& model, const ChatResult& result) const {
  const auto known = config_.models.find(model);
  if (known == config_.models.end()) return 0;
  return price_of(known->second.price, result.tokens,
                  result.prefill_seconds + result.decode_seconds);
}

double Router::note(const std::string& model, const ChatResult& result) {
  const auto tokens = static_cast<double>(result.tokens.reasoning + result.tokens.answer);
  const double paid = price(model, result);
  const std::lock_guard lock(mutex_);
  if (tokens < 2 || result.decode_seconds <= 0) return paid;
  Measured& measured = measured_[model];
  const double speed = tokens / result.decode_seconds;
  const bool first = measured.tokens_per_second == 0;
  const double share = first ? 1 : kNewest;
  measured.tokens_per_second += share * (speed - measured.tokens_per_second);
  measured.first_seconds += share * (result.prefill_seconds - measured.first_seconds);
  return paid;
}

}  // namespace weft::backend
