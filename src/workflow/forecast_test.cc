// SPDX-License-Identifier: Apache-2.0
#include "workflow/forecast.h"

#include <gtest/gtest.h>

#include "workflow/loader.h"

namespace weft::workflow {
namespace {

std::shared_ptr<const Workflow> flow() {
  return load_or_error(R"(
weft: "1"
id: flow
steps:
  - { id: last, type: set, dependencies: [slow, fast], parameters: { value: 1 } }
  - { id: slow, type: llm, dependencies: [first],
      parameters: { prompt: "abcdefghijkl", max_tokens: 100 } }
  - { id: fast, type: http, dependencies: [first], parameters: { url: "http://a" } }
  - { id: first, type: approval, parameters: { role: lead } }
)", "flow").value();
}

TEST(Forecast, FromLimitsWhereNothingIsKnown) {
  const Forecast unknown = forecast(*flow(), {}, {});
  EXPECT_EQ(unknown.generated, 100);
  EXPECT_EQ(unknown.prompt, 3);
  EXPECT_EQ(unknown.seconds, 0);
  EXPECT_EQ(unknown.unknown, 2);
  const Forecast at_speed = forecast(*flow(), {}, {{"slow", {6, 50, true}}});
  EXPECT_DOUBLE_EQ(at_speed.seconds, 2.5);
  EXPECT_TRUE(at_speed.steps[1].estimated);
  EXPECT_EQ(at_speed.unknown, 1) << "nobody knows how long a person takes";
}

TEST(Forecast, AModelMayGiveLessAndBeAskedTwice) {
  const Forecast told = forecast(*flow(), {}, {{"slow", {0, 10, false, 30, 2}}});
  EXPECT_EQ(told.generated, 60);
  EXPECT_EQ(told.prompt, 6);
  EXPECT_DOUBLE_EQ(told.seconds, 6);
}

TEST(Forecast, TheLongestChainOfWhatWasMeasured) {
  const Forecast told = forecast(*flow(), {{"first", {3, 5, 0, 0, 0}},
                                           {"slow", {3, 2, 40, 10, 20}},
                                           {"fast", {3, 9, 0, 0, 0}},
                                           {"last", {3, 1, 0, 0, 0}}},
                                {{"slow", {6, 50, true}}});
  EXPECT_DOUBLE_EQ(told.seconds, 5 + 9 + 1);
  EXPECT_EQ(told.generated, 30);
  EXPECT_EQ(told.prompt, 40);
  EXPECT_TRUE(told.steps[1].measured);
}

}  // namespace
}  // namespace weft::workflow
