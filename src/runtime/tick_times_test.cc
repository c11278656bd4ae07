// SPDX-License-Identifier: Apache-2.0
#include "runtime/tick_times.h"

#include <gtest/gtest.h>

#include <random>

namespace weft::runtime {
namespace {

TEST(TickTimes, NothingIsExpectedOfWhatWasNeverMeasured) {
  TickTimes times;
  EXPECT_EQ(times.expect(20, 100), 0);
}

TEST(TickTimes, SteadyTicksAreSummed) {
  TickTimes times;
  for (int i = 0; i < 100; ++i) times.add(1, 1, 0.050);
  EXPECT_NEAR(times.expect(10, 0), 0.5, 0.06);
  for (int i = 0; i < 100; ++i) times.add(200, 0, 0.400);  // prompts: no tick of one that decodes
  EXPECT_NEAR(times.expect(10, 100), 0.5 + 0.2, 0.06);
}

TEST(TickTimes, FollowsTheLoadWithinTwentyTicks) {
  TickTimes times;
  for (int i = 0; i < 100; ++i) times.add(1, 1, 0.050);
  for (int i = 0; i < 20; ++i) times.add(16, 16, 0.150);
  EXPECT_GT(times.expect(10, 0), 1.4);
  EXPECT_LT(times.expect(10, 0), 2.0);
}

// Of sums of ten uneven ticks at most one in twenty is longer than was expected.
TEST(TickTimes, IsRarelyExceeded) {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> share(0, 1);
  TickTimes times;
  int exceeded = 0;
  const auto next = [&] { return share(random) < 0.1 ? 0.2 : 0.04 + 0.02 * share(random); };
  for (int round = 0; round < 2000; ++round) {
    const double expected = times.expect(10, 0);
    double sum = 0;
    for (int i = 0; i < 10; ++i) {
      const double seconds = next();
      times.add(1, 1, seconds);
      sum += seconds;
    }
    exceeded += round > 10 && sum > expected ? 1 : 0;
  }
  EXPECT_LT(exceeded, 2000 / 20);
}

}  // namespace
}  // namespace weft::runtime
