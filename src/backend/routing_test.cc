// SPDX-License-Identifier: Apache-2.0
#include "backend/routing.h"

#include <gtest/gtest.h>

#include <array>

#include "base/env.h"

namespace weft::backend {
namespace {

RoutingConfig brief() {
  RoutingConfig config;
  config.models["EXAONE-2.4B"] = {.price = {}, .accuracy = 0.4, .speed = 1, .resource = 1};
  config.models["EXAONE-7.8B"] = {.price = {}, .accuracy = 0.6, .speed = 0.6, .resource = 0.6};
  config.models["EXAONE-4.0-32B"] = {.price = {1, 2, 0}, .accuracy = 0.9, .speed = 0.3};
  config.models["EXAONE-Deep-32B"] = {.price = {10, 20, 0}, .accuracy = 1, .speed = 0.1};
  config.devices = {{"mobile", "EXAONE-2.4B"}, {"tablet", "EXAONE-7.8B"},
                    {"server", "EXAONE-4.0-32B"}};
  config.general = "EXAONE-4.0-32B";
  config.deep = "EXAONE-Deep-32B";
  config.classes["simple_tasks"] = {.mode = "non_reasoning"};
  config.classes["hybrid_processes"] = {.mode = "adaptive"};
  config.profiles["fast"] = {.speed = 0.9, .accuracy = 0.1, .resource = 0.9, .max_tokens = 100};
  config.profiles["careful"] = {.mode = "reasoning", .accuracy = 1, .thinking_limit = 200};
  return config;
}

RouteQuery query(const std::string& model) {
  RouteQuery out;
  out.model = model;
  return out;
}

TEST(Routing, DeviceClassesOfTheBrief) {
  RoutingConfig config = brief();
  for (const auto& [device, model] : config.devices) {
    config.device = device;
    EXPECT_EQ(choose_route(config, query("default"))->model, model);
  }
  config.device = "";
  EXPECT_EQ(choose_route(config, query("default"))->model, "default");
  EXPECT_EQ(choose_route(config, query("EXAONE-7.8B"))->model, "EXAONE-7.8B") << "as asked for";
}

TEST(Routing, ComplexityBelowAHalfIsForTheGeneralModel) {
  const RoutingConfig config = brief();
  for (const double complexity : {0.0, 0.3, 0.49, 0.5, 0.7, 1.0}) {
    RouteQuery given = query("auto");
    given.wish.complexity = complexity;
    const Route route = choose_route(config, given).value();
    EXPECT_EQ(route.model, complexity < 0.5 ? "EXAONE-4.0-32B" : "EXAONE-Deep-32B");
    EXPECT_FALSE(route.adaptive);
  }
  const Route unknown = choose_route(config, query("auto")).value();
  EXPECT_EQ(unknown.model, "EXAONE-4.0-32B");
  EXPECT_TRUE(unknown.adaptive);
  EXPECT_EQ(unknown.escalate_to, "EXAONE-Deep-32B");
  EXPECT_EQ(choose_route({}, query("auto")).error().code, "E0773");
}

TEST(Routing, ClassesAndProfiles) {
  const RoutingConfig config = brief();
  RouteQuery given = query("EXAONE-7.8B");
  given.wish.task_class = "simple_tasks";
  EXPECT_EQ(choose_route(config, given)->thinking, Thinking::kOff);
  given.thinking = Thinking::kOn;  // the step itself has the last word
  EXPECT_EQ(choose_route(config, given)->thinking, Thinking::kOn);
  given.thinking = Thinking::kAuto;
  given.wish.task_class = "hybrid_processes";
  const Route adaptive = choose_route(config, given).value();
  EXPECT_TRUE(adaptive.adaptive);
  EXPECT_EQ(adaptive.thinking, Thinking::kOff);
  EXPECT_EQ(adaptive.escalate_to, "EXAONE-7.8B") << "the same model, thinking";
  const Route fast = choose_route(config, query("fast")).value();
  EXPECT_EQ(fast.model, "EXAONE-2.4B");
  EXPECT_EQ(fast.max_tokens, 100);
  RouteQuery careful = query("careful");
  careful.thinking_budget = 500;
  EXPECT_EQ(choose_route(config, careful)->model, "EXAONE-Deep-32B");
  EXPECT_EQ(choose_route(config, careful)->thinking, Thinking::kOn);
  EXPECT_EQ(choose_route(config, careful)->thinking_budget, 200);
}

// A turn of an agent is one answer in the journal.
TEST(Routing, WhoWantsOneAnswerGetsOne) {
  RoutingConfig config = brief();
  config.profiles["hybrid"] = {.model = "EXAONE-7.8B", .mode = "adaptive"};
  for (const char* name : {"auto", "hybrid_processes", "hybrid"}) {
    RouteQuery given = query(name);
    EXPECT_TRUE(choose_route(config, given)->adaptive) << name;
    given.wish.one_answer = true;
    const Route route = choose_route(config, given).value();
    EXPECT_FALSE(route.adaptive) << name;
    EXPECT_EQ(route.escalate_to, "") << name;
  }
}

TEST(Routing, WhatWasMeasuredCounts) {
  RoutingConfig config = brief();
  config.profiles["quick"] = {.speed = 1};
  EXPECT_EQ(choose_route(config, query("quick"))->model, "EXAONE-2.4B");
  RouteQuery given = query("quick");
  given.measured = {{"EXAONE-2.4B", {10, 0.1}}, {"EXAONE-7.8B", {90, 0.1}}};
  EXPECT_EQ(choose_route(config, given)->model, "EXAONE-7.8B");
}

// What a step names is nearer to it than what its workflow says of all its steps.
TEST(Routing, AProfileWinsOverTheTargetsOfTheWorkflow) {
  RoutingConfig config = brief();
  config.profiles["exact"] = {.accuracy = 1};
  RouteQuery given = query("exact");
  given.wish.speed = 1;
  given.wish.accuracy = 0;
  given.wish.resource = 1;
  EXPECT_EQ(choose_route(config, given)->model, "EXAONE-Deep-32B");
  config.classes["hard"] = {.accuracy = 1};
  given.model = "hard";
  EXPECT_EQ(choose_route(config, given)->model, "EXAONE-Deep-32B");
  config.profiles["mere"] = {.mode = "reasoning"};
  given.model = "mere";
  EXPECT_EQ(choose_route(config, given)->model, "EXAONE-2.4B") << "the workflow's";
}

TEST(Routing, CeilingsFallToTheCheaperOrStop) {
  RoutingConfig config = brief();
  config.ceilings.run = 0.01;
  RouteQuery given = query("EXAONE-Deep-32B");
  given.max_tokens = 1000;  // 0.02
  const Route cheaper = choose_route(config, given).value();
  EXPECT_TRUE(cheaper.model == "EXAONE-2.4B" || cheaper.model == "EXAONE-7.8B") << cheaper.model;
  EXPECT_NE(cheaper.reasons.back().find("ceiling per run"), std::string::npos);
  config.ceilings.cheaper = false;
  EXPECT_EQ(choose_route(config, given).error().code, "E0774");
  given.model = "EXAONE-2.4B";
  EXPECT_TRUE(choose_route(config, given).ok()) << "what costs nothing is always allowed";
  config.ceilings = {};
  config.ceilings.month = 5;
  given.model = "EXAONE-4.0-32B";
  given.spent.month = 4.9;
  EXPECT_EQ(choose_route(config, given)->model, "EXAONE-4.0-32B");
  given.spent.month = 4.999;
  EXPECT_NE(choose_route(config, given)->model, "EXAONE-4.0-32B");
}

TEST(Routing, ACeilingNeedsRoomForBothAnswersOfAdaptive) {
  RoutingConfig config = brief();
  config.models["EXAONE-Deep-32B"].price = {1, 2, 0};
  config.ceilings.cheaper = false;
  RouteQuery given = query("auto");
  given.max_tokens = 1000;  // 0.002 each
  config.ceilings.run = 0.0041;
  EXPECT_EQ(choose_route(config, given)->escalate_to, "EXAONE-Deep-32B");
  EXPECT_DOUBLE_EQ(choose_route(config, given)->second_price, 0.002);
  config.ceilings.run = 0.0039;
  const Route one = choose_route(config, given).value();
  EXPECT_EQ(one.model, "EXAONE-4.0-32B");
  EXPECT_EQ(one.escalate_to, "");
  EXPECT_EQ(one.second_price, 0);
  EXPECT_NE(one.reasons.back().find("no room for a second answer"), std::string::npos);
  config.models["EXAONE-Deep-32B"].price = {};
  EXPECT_EQ(choose_route(config, given)->escalate_to, "EXAONE-Deep-32B") << "it costs nothing";
  config.ceilings.run = 0.0019;
  EXPECT_EQ(choose_route(config, given).error().code, "E0774");
}

TEST(Routing, TheBudgetIsWhatTheTimeAffords) {
  const RoutingConfig config = brief();
  RouteQuery given = query("EXAONE-7.8B");
  given.thinking = Thinking::kOn;
  given.wish.auto_budget = true;
  given.max_tokens = 4096;
  given.left_ms = 10'000;
  given.measured["EXAONE-7.8B"] = {100, 0.5};
  EXPECT_EQ(choose_route(config, given)->thinking_budget, 850 - 64);  // (9 s - 0.5 s) * 100
  given.thinking_budget = 300;
  EXPECT_EQ(choose_route(config, given)->thinking_budget, 300);
  given.left_ms = 500;
  EXPECT_EQ(choose_route(config, given)->thinking_budget, 0) << "no time: an answer at once";
  given.measured.clear();
  given.left_ms = 10'000;
  given.thinking_budget.reset();
  EXPECT_EQ(choose_route(config, given)->thinking_budget, 1024) << "nothing measured: a quarter";
  given.keeps_deadlines = [](const std::string& model) { return model == "EXAONE-7.8B"; };
  EXPECT_EQ(choose_route(config, given)->thinking_budget, 4096 - 64) << "it is ended in time";
  given.keeps_deadlines = {};
  RoutingConfig cut = brief();
  cut.profiles["short"] = {.model = "EXAONE-7.8B", .max_tokens = 400};
  given.model = "short";
  EXPECT_EQ(choose_route(cut, given)->thinking_budget, 100) << "a quarter of what is left";
}

// Requests under deadlines on a model whose speed drifts and which is sometimes slow to begin: with
// the budget of what is measured, the answer is there in time and little time is left unused.
TEST(Routing, SimulatedDeadlines) {
  int missed = 0;
  double unused = 0;
  int count = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SimEnv env(seed);
    const auto share = [&] {
      std::array<uint8_t, 2> bytes{};
      env.random(bytes);
      return static_cast<double>(bytes[0] | bytes[1] << 8) / 65535;
    };
    Measured measured{50, 0.3};
    double speed = 50;
    for (int i = 0; i < 100; ++i, ++count) {
      speed = std::clamp(speed * (0.97 + 0.06 * share()), 20.0, 120.0);
      const double first = 0.2 + 0.2 * share();
      RouteQuery given = query("EXAONE-7.8B");
      given.wish.auto_budget = true;
      given.thinking = Thinking::kOn;
      given.max_tokens = 4096;
      given.left_ms = 5000;
      given.measured["EXAONE-7.8B"] = measured;
      const int64_t budget = choose_route(brief(), given)->thinking_budget.value();
      const double took = first + static_cast<double>(budget + 50) / speed;
      missed += took > 5 ? 1 : 0;
      unused += 1 - took / 5;
      measured.tokens_per_second = 0.5 * measured.tokens_per_second + 0.5 * speed;
      measured.first_seconds = 0.5 * measured.first_seconds + 0.5 * first;
    }
  }
  EXPECT_EQ(missed, 0);
  EXPECT_LT(unused / count, 0.2);
}

TEST(Routing, ConfidenceIsThatOfTheLeastSureChoice) {
  ChatResult result;
  EXPECT_EQ(confidence_of(result), 1);
  GeneratedToken token;
  token.logprob = -0.5F;
  result.generated = {token, token};
  token.part = GeneratedToken::Part::kReasoning;
  token.logprob = -9;
  result.generated.push_back(token);
  EXPECT_NEAR(confidence_of(result), 0.6065, 1e-4);
  result.chosen = {{"/a", true, 0.9}, {"/b", "x", 0.4}};
  EXPECT_EQ(confidence_of(result), 0.4);
}

TEST(Routing, Prices) {
  TokenCounts tokens;
  tokens.prompt = 1'000'000;
  tokens.reasoning = 400'000;
  tokens.answer = 600'000;
  EXPECT_DOUBLE_EQ(price_of({0.15, 0.6, 0}, tokens, 99), 0.75);
  EXPECT_DOUBLE_EQ(price_of({0, 0, 3.6}, tokens, 10), 0.01);
}

}  // namespace
}  // namespace weft::backend
