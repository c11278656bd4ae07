// SPDX-License-Identifier: Apache-2.0
#include "cli/plan_models.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "workflow/loader.h"

namespace weft::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

backend::RoutingConfig priced() {
  backend::RoutingConfig rules;
  rules.models["small"] = {.price = {1, 1, 0}, .accuracy = 0.2, .speed = 1};
  rules.models["big"] = {.price = {10, 10, 0}, .accuracy = 1, .speed = 0.1};
  rules.general = "small";
  rules.deep = "big";
  rules.device = "server";
  rules.devices = {{"server", "big"}};
  rules.classes["hard"] = {.model = "big", .max_tokens = 50};
  rules.profiles["exact"] = {.accuracy = 1};
  return rules;
}

struct Planned {
  PlannedModel model;
  double price;
};

Planned plan_of(const std::string& parameters, const backend::RoutingConfig& rules = priced()) {
  const auto flow = workflow::load_or_error(
      "weft: '1'\nid: flow\nsteps:\n  - { id: ask, type: llm, parameters: { prompt: abcdefgh, "
      "max_tokens: 100" + parameters + " } }\n", "flow").value();
  const auto first = workflow::forecast(*flow, {}, {});
  PlannedModel model = planned_model(*flow, flow->steps[0], first.steps[0], rules, {});
  const workflow::StepSpeed speed{.max_tokens = model.max_tokens,
                                  .answers = model.adaptive ? 2 : 1};
  const auto told = workflow::forecast(*flow, {}, {{"ask", speed}});
  return {model, planned_price(model, told.steps[0], rules) * 1e6};
}

TEST(PlanModels, RoutesAsARequestWouldBeAndPricesThat) {
  const double one = 2 + 100;  // tokens
  EXPECT_DOUBLE_EQ(plan_of(", model: small").price, one);
  EXPECT_DOUBLE_EQ(plan_of("").price, 10 * one) << "the device's";
  EXPECT_DOUBLE_EQ(plan_of(", model: exact").price, 10 * one);
  EXPECT_DOUBLE_EQ(plan_of(", model: hard").price, 10 * (2 + 50)) << "its limit";
  EXPECT_DOUBLE_EQ(plan_of(", model: auto, complexity: 0.2").price, one);
  const Planned adaptive = plan_of(", model: auto");
  EXPECT_THAT(adaptive.model.models, ElementsAre("small", "big"));
  EXPECT_DOUBLE_EQ(adaptive.price, one + 10 * one) << "both, at most";
}

TEST(PlanModels, SaysWhatNobodyKnowsBefore) {
  const Planned either = plan_of(", model: auto, complexity: '{{ input.hard }}'");
  EXPECT_THAT(either.model.models, ElementsAre("small", "big"));
  EXPECT_THAT(either.model.note, HasSubstr("when it runs"));
  EXPECT_DOUBLE_EQ(either.price, 10 * 102) << "the dearer one";
  const Planned none = plan_of(", model: '{{ input.model }}'");
  EXPECT_TRUE(none.model.models.empty());
  EXPECT_THAT(none.model.note, HasSubstr("when it runs"));
  backend::RoutingConfig rules = priced();
  rules.ceilings.run = 1e-9;
  rules.ceilings.cheaper = false;
  EXPECT_THAT(plan_of(", model: big", rules).model.note, HasSubstr("ceiling per run"));
}

}  // namespace
}  // namespace weft::cli
