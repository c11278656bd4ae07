// SPDX-License-Identifier: Apache-2.0
#include "backend/routing.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/math.h"
#include "base/strings.h"

namespace weft::backend {
namespace {

constexpr double kReserve = 0.1;          // of the time left, for what is not measured
constexpr int64_t kBudgetMin = 16;        // fewer tokens of thought are not worth the tags

std::optional<Thinking> mode_of(std::string_view mode) {
  if (mode == "non_reasoning") return Thinking::kOff;
  if (mode == "reasoning") return Thinking::kOn;
  if (mode == "adaptive") return Thinking::kAuto;
  return std::nullopt;
}

class Choice {
 public:
  Choice(const RoutingConfig& config, const RouteQuery& query)
      : config_(config), query_(query), wish_(query.wish) {
    route_.thinking = query.thinking;
    route_.thinking_budget = query.thinking_budget;
    route_.max_tokens = query.max_tokens;
    route_.adaptive = query.wish.adaptive;
  }

  Result<Route> make() {
    TRY(choose_model());
    if (!wish_.task_class.empty()) {
      const auto found = config_.classes.find(wish_.task_class);
      if (found != config_.classes.end()) apply(found->second, "class " + wish_.task_class);
    }
    if (route_.model.empty()) by_targets();
    TRY(hold_ceilings());
    if (wish_.one_answer) route_.adaptive = false;
    if (route_.adaptive) begin_adaptive();
    set_budget();
    route_.price = estimate(route_.model);
    if (!route_.escalate_to.empty()) route_.second_price = estimate(route_.escalate_to);
    return std::move(route_);
  }

 private:
  void say(std::string reason) { route_.reasons.push_back(std::move(reason)); }
  void take(const std::string& model, std::string why) {
    route_.model = model;
    say(fmt::format("{}: {}", model, why));
  }

  Status choose_model() {
    const std::string& name = query_.model;
    if (const auto profile = config_.profiles.find(name); profile != config_.profiles.end()) {
      apply(profile->second, "profile " + name);
      return ok_status();
    }
    if (const auto known = config_.classes.find(name); known != config_.classes.end()) {
      apply(known->second, "class " + name);
      return ok_status();
    }
    if (name == "auto") return by_complexity();
    const auto device = config_.devices.find(config_.device);
    if (name == "default" && device != config_.devices.end()) {
      take(device->second, fmt::format("the model of the device class {}", config_.device));
      return ok_status();
    }
    take(name, "as asked for");
    return ok_status();
  }

  Status by_complexity() {
    if (config_.general.empty() || config_.deep.empty()) {
      return make_error("E0773", "the model auto needs two models to choose from",
                        "routing: { complexity: { general: NAME, deep: NAME } }");
    }
    if (!wish_.complexity) {  // nobody has said: the general one answers, if it is sure
      take(config_.general, "nobody has measured the complexity: first the general model");
      route_.adaptive = true;
      return ok_status();
    }
    const bool hard = *wish_.complexity >= config_.threshold;
    take(hard ? config_.deep : config_.general,
         fmt::format("complexity {:.2f} is {} {:.2f}", *wish_.complexity,
                     hard ? "at least" : "below", config_.threshold));
    return ok_status();
  }

  void apply(const RouteProfile& profile, const std::string& where) {
    if (!profile.model.empty() && route_.model.empty()) take(profile.model, where);
    if (const auto mode = mode_of(profile.mode);
        mode && query_.thinking == Thinking::kAuto && !wish_.adaptive) {
      route_.thinking = *mode;
      route_.adaptive = profile.mode == "adaptive";
      say(fmt::format("mode {} of {}", profile.mode, where));
    }
    if (!weighted_ && (profile.speed || profile.accuracy || profile.resource)) {
      weighted_ = true;  // what it does not say is not wanted
      wish_.speed = profile.speed;
      wish_.accuracy = profile.accuracy;
      wish_.resource = profile.resource;
    }
    if (profile.max_tokens) route_.max_tokens = std::min(route_.max_tokens, *profile.max_tokens);
    if (profile.thinking_limit) thinking_limit_ = profile.thinking_limit;
  }

  // Weighted by what is wanted; what was measured counts more than what was said beforehand.
  double score(const std::string& name, const RouteModel& model) const {
    double fastest = 0;
    for (const auto& [other, measured] : query_.measured) {
      fastest = std::max(fastest, measured.tokens_per_second);
    }
    double speed = model.speed;
    const auto measured = query_.measured.find(name);
    if (measured != query_.measured.end() && measured->second.tokens_per_second > 0) {
      speed = measured->second.tokens_per_second / fastest;
    }
    return wish_.speed.value_or(0) * speed + wish_.accuracy.value_or(0) * model.accuracy +
           wish_.resource.value_or(0) * model.resource;
  }

  void by_targets() {
    std::string best;
    double most = -1;
    for (const auto& [name, model] : config_.models) {
      const double points = score(name, model);
      if (points > most) best = name;
      most = std::max(most, points);
    }
    take(best.empty() ? "default" : best,
         fmt::format("best of {} models for speed {:.2f}, accuracy {:.2f}, resource {:.2f}",
                     config_.models.size(), wish_.speed.value_or(0), wish_.accuracy.value_or(0),
                     wish_.resource.value_or(0)));
  }

  double estimate(const std::string& name) const {
    return highest_price(config_, query_, name, route_.max_tokens);
  }
  std::string broken_by(const std::string& model) const {
    return broken_ceiling(config_, query_.spent, model, estimate(model));
  }

  Status hold_ceilings() {
    const std::string broken = broken_by(route_.model);
    if (broken.empty()) return ok_status();
    const double wanted = estimate(route_.model);
    std::string cheapest;
    for (const auto& [name, model] : config_.models) {
      if (!broken_by(name).empty()) continue;
      if (cheapest.empty() || estimate(name) < estimate(cheapest)) cheapest = name;
    }
    if (!config_.ceilings.cheaper || cheapest.empty()) {
      return make_error("E0774",
                        fmt::format("the ceiling per {} is reached: {} would cost about {:.4f}",
                                    broken, quoted(route_.model), wanted),
                        "raise routing.ceilings, wait for the next month, or let a cheaper model "
                        "take over: then: cheaper");
    }
    take(cheapest, fmt::format("the ceiling per {} leaves no room for {} ({:.4f})", broken,
                               route_.model, wanted));
    return ok_status();
  }

  // The first answer is made without thought; the second one, if there is one, with it. A ceiling
  // needs room for both.
  void begin_adaptive() {
    route_.thinking = Thinking::kOff;
    route_.thinking_budget.reset();
    const double first = estimate(route_.model);
    const auto broken = [&](const std::string& model) {
      return broken_ceiling(config_, query_.spent, model, first + estimate(model));
    };
    const bool two = route_.model == config_.general && !config_.deep.empty();
    route_.escalate_to = two && broken(config_.deep).empty() ? config_.deep : route_.model;
    if (const std::string none = broken(route_.escalate_to); !none.empty()) {
      route_.escalate_to.clear();
      return say(fmt::format("adaptive: without thinking; the ceiling per {} leaves no room for a "
                             "second answer, so that this one stands however sure", none));
    }
    say(fmt::format("adaptive: without thinking first; {} thinks if it is less than {:.2f} sure",
                    route_.escalate_to, config_.sure));
  }

  void set_budget() {
    std::optional<int64_t> limit = query_.thinking_budget;
    if (thinking_limit_) limit = std::min(limit.value_or(*thinking_limit_), *thinking_limit_);
    if (!wish_.auto_budget) {
      if (!route_.adaptive) route_.thinking_budget = limit;
      return;
    }
    if (route_.thinking == Thinking::kOff && !route_.adaptive) return;
    RouteQuery cut = query_;
    cut.max_tokens = route_.max_tokens;  // what a profile has left of it
    const int64_t budget = affordable_thinking(cut, route_.model, limit);
    if (!route_.adaptive) route_.thinking_budget = budget;
    const bool kept = query_.keeps_deadlines && query_.keeps_deadlines(route_.model);
    say(query_.left_ms ? fmt::format("{} tokens of thought{} {} ms", budget,
                                     kept ? " at most, ended in time within" : " fit into",
                                     *query_.left_ms)
                       : fmt::format("{} tokens of thought", budget));
  }

  const RoutingConfig& config_;
  const RouteQuery& query_;
  RouteWish wish_;
  bool weighted_ = false;  // by a profile or class: nearer to the step than its workflow's targets
  std::optional<int64_t> thinking_limit_;
  Route route_;
};

}  // namespace

bool RoutingConfig::has_names(const std::string& name) const {
  return models.contains(name) || classes.contains(name) || profiles.contains(name) ||
         (name == "auto" && !general.empty());
}

bool wants_route(const RoutingConfig& config, const std::string& model, const RouteWish& wish) {
  const bool device = model == "default" && config.devices.contains(config.device);
  return device || config.has_names(model) || wish.adaptive || wish.auto_budget ||
         config.classes.contains(wish.task_class) || !wish.pinned.empty();
}

Result<Route> choose_route(const RoutingConfig& config, const RouteQuery& query) {
  return Choice(config, query).make();
}

int64_t affordable_thinking(const RouteQuery& query, const std::string& model,
                            std::optional<int64_t> limit) {
  int64_t budget = query.max_tokens - query.answer_reserve;
  const auto measured = query.measured.find(model);
  const bool known = measured != query.measured.end() && measured->second.tokens_per_second > 0;
  if (query.left_ms && query.keeps_deadlines && query.keeps_deadlines(model)) {
    // As long as it fits: nobody has to guess.
  } else if (query.left_ms && known) {
    const double seconds = static_cast<double>(*query.left_ms) / 1000 * (1 - kReserve) -
                           measured->second.first_seconds;
    const double tokens = seconds * measured->second.tokens_per_second;
    budget = std::min(budget, static_cast<int64_t>(tokens) - query.answer_reserve);
  } else {
    budget = std::min(budget, query.max_tokens / 4);
  }
  if (limit) budget = std::min(budget, *limit);
  return budget < kBudgetMin ? 0 : budget;
}

double highest_price(const RoutingConfig& config, const RouteQuery& query,
                     const std::string& model, int64_t max_tokens) {
  const auto found = config.models.find(model);
  if (found == config.models.end()) return 0;
  TokenCounts tokens;
  tokens.prompt = query.prompt_tokens;
  tokens.answer = max_tokens;
  double seconds = 0;
  const auto measured = query.measured.find(model);
  if (measured != query.measured.end() && measured->second.tokens_per_second > 0) {
    seconds = measured->second.first_seconds +
              static_cast<double>(max_tokens) / measured->second.tokens_per_second;
  }
  return price_of(found->second.price, tokens, seconds);
}

std::string broken_ceiling(const RoutingConfig& config, const Spent& spent,
                           const std::string& model, double price) {
  const auto found = config.models.find(model);
  if (found == config.models.end()) return "";
  const ModelPrice& rate = found->second.price;
  const bool free = rate.prompt_per_million <= 0 && rate.answer_per_million <= 0 &&
                    rate.per_hour <= 0;
  if (free) return "";  // what costs nothing breaks nothing
  const Ceilings& most = config.ceilings;
  if (most.run && spent.run + price > *most.run) return "run";
  if (most.account && spent.account + price > *most.account) return "key";
  if (most.tenant && spent.tenant + price > *most.tenant) return "tenant";
  if (most.month && spent.month + price > *most.month) return "month";
  return "";
}

double price_of(const ModelPrice& price, const TokenCounts& tokens, double seconds) {
  return static_cast<double>(tokens.prompt) * price.prompt_per_million / 1e6 +
         static_cast<double>(tokens.reasoning + tokens.answer) * price.answer_per_million / 1e6 +
         seconds * price.per_hour / 3600;
}

double confidence_of(const ChatResult& result) {
  double least = 1;
  for (const ChosenValue& one : result.chosen) least = std::min(least, one.probability);
  if (!result.chosen.empty()) return least;
  double sum = 0;
  int64_t tokens = 0;
  for (const GeneratedToken& token : result.generated) {
    if (token.part != GeneratedToken::Part::kAnswer) continue;
    sum += token.logprob;
    ++tokens;
  }
  return tokens == 0 ? 1 : math::exp(sum / static_cast<double>(tokens));
}

json::Object route_record(const Route& route) {
  json::Object out{{"model", route.model}};
  out["thinking"] = route.thinking == Thinking::kOff  ? "off"
                    : route.thinking == Thinking::kOn ? "on"
                                                      : "auto";
  out["max_tokens"] = route.max_tokens;
  if (route.adaptive) out["adaptive"] = true;
  if (!route.escalate_to.empty()) out["escalate_to"] = route.escalate_to;
  if (route.thinking_budget) out["thinking_budget"] = *route.thinking_budget;
  if (route.price > 0) out["estimated_price"] = route.price;
  json::Array why;
  for (const std::string& reason : route.reasons) why.emplace_back(reason);
  out["why"] = std::move(why);
  return out;
}

}  // namespace weft::backend
