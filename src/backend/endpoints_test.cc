// SPDX-License-Identifier: Apache-2.0
#include "backend/endpoints.h"

#include <gtest/gtest.h>

#include <array>
#include <map>

#include "base/env.h"

namespace weft::backend {
namespace {

using Outcome = Endpoints::Outcome;

TEST(Endpoints, ALikeBeginningGoesToTheSameUnlessItIsBusy) {
  Endpoints pool({{"a", 1}, {"b", 1}, {"c", 1}});
  const uint64_t prefix = prefix_of("You are a customer service workflow manager.");
  const size_t first = pool.take(prefix, 0).value();
  EXPECT_EQ(pool.take(prefix, 0).value(), first);
  EXPECT_EQ(pool.take(prefix, 0).value(), first);
  EXPECT_NE(pool.take(prefix, 0).value(), first) << "three under way there, none elsewhere";
}

TEST(Endpoints, PrefixesAndWeightsSpreadTheLoad) {
  Endpoints pool({{"a", 3}, {"b", 1}});
  std::array<int, 2> most{};
  for (int i = 0; i < 400; ++i) {
    const size_t at = pool.take(prefix_of(std::to_string(i)), 0).value();
    most[at] += 1;
  }
  EXPECT_NEAR(most[0], 300, 8);  // by weight, within what affinity may add
  EXPECT_NEAR(most[1], 100, 8);
}

TEST(Endpoints, ABreakerOpensProbesAndCloses) {
  Endpoints pool({{"only", 1}}, {.failures_max = 2, .pause_us = 100, .pause_us_max = 250});
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(pool.take(1, 0), 0U);
    pool.give_back(0, {Outcome::kFailed, 0, 0});
  }
  EXPECT_EQ(pool.breaker(0, 0), "open");
  EXPECT_FALSE(pool.take(1, 99).has_value());
  EXPECT_EQ(pool.free_at_us(0), 100);
  EXPECT_EQ(pool.breaker(0, 100), "half open");
  ASSERT_TRUE(pool.take(1, 100).has_value());
  EXPECT_FALSE(pool.take(1, 100).has_value()) << "one probe at a time";
  pool.give_back(0, {Outcome::kFailed, 100, 100});
  EXPECT_EQ(pool.free_at_us(100), 300) << "twice the pause";
  ASSERT_TRUE(pool.take(1, 300).has_value());
  pool.give_back(0, {Outcome::kFailed, 300, 300});
  EXPECT_EQ(pool.free_at_us(300), 550) << "at most 250";
  ASSERT_TRUE(pool.take(1, 550).has_value());
  pool.give_back(0, {Outcome::kGood, 550, 550});
  EXPECT_EQ(pool.breaker(0, 550), "closed");
  ASSERT_TRUE(pool.take(1, 550).has_value());
  pool.give_back(0, {Outcome::kFailed, 550, 550});
  EXPECT_EQ(pool.breaker(0, 550), "closed") << "failures are counted anew";
}

TEST(Endpoints, OneIncidentOpensTheBreakerOnce) {
  Endpoints pool({{"only", 1}}, {.failures_max = 3, .pause_us = 100, .pause_us_max = 10'000});
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(pool.take(1, 0).has_value());
  for (int i = 0; i < 8; ++i) pool.give_back(0, {Outcome::kFailed, 0, 10});
  EXPECT_EQ(pool.free_at_us(10), 110) << "ten under way are one incident, not eight";
  ASSERT_TRUE(pool.take(1, 110).has_value());
  pool.give_back(0, {Outcome::kFailed, 0, 120});  // sent long ago: the probe is still out
  EXPECT_FALSE(pool.take(1, 120).has_value());
  EXPECT_EQ(pool.free_at_us(120), 100'120) << "nobody knows before the probe comes back";
  pool.give_back(0, {Outcome::kFailed, 110, 130});
  EXPECT_EQ(pool.free_at_us(130), 330) << "it was the first probe";
  ASSERT_TRUE(pool.take(1, 330).has_value());
  pool.give_back(0, {Outcome::kGood, 330, 340});
  EXPECT_EQ(pool.breaker(0, 340), "closed");
  pool.give_back(0, {Outcome::kFailed, 0, 350});
  EXPECT_EQ(pool.breaker(0, 350), "closed");
}

TEST(Endpoints, ACancelledProbeMakesRoomForTheNext) {
  Endpoints pool({{"only", 1}}, {.failures_max = 1, .pause_us = 10, .pause_us_max = 10});
  ASSERT_TRUE(pool.take(1, 0).has_value());
  pool.give_back(0, {Outcome::kFailed, 0, 0});
  ASSERT_TRUE(pool.take(1, 10).has_value());
  pool.give_back(0, {Outcome::kNothing, 10, 10});
  EXPECT_TRUE(pool.take(1, 10).has_value());
}

TEST(Endpoints, WhoIsFullIsLeftAloneAndNotBlamed) {
  Endpoints pool({{"a", 1}, {"b", 1}});
  const size_t full = pool.take(7, 0).value();
  pool.give_back(full, {Outcome::kBusy, 0, 0, 5'000});
  EXPECT_EQ(pool.breaker(full, 0), "closed");
  EXPECT_EQ(pool.take(7, 4'999).value(), 1 - full);
  EXPECT_EQ(pool.take(7, 5'000, {1 - full}).value(), full);
  EXPECT_FALSE(pool.take(7, 5'000, {0, 1}).has_value());
}

// Servers that fail at random: no request waits although one server is well, what is taken is
// given back, and a dead server gets no more than its probes.
TEST(Endpoints, Simulation) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SimEnv env(seed);
    const auto below = [&](uint64_t n) {
      std::array<uint8_t, 4> bytes{};
      env.random(bytes);
      return (uint64_t{bytes[0]} | uint64_t{bytes[1]} << 8 | uint64_t{bytes[2]} << 16) % n;
    };
    Endpoints pool({{"good", 1}, {"dead", 1}, {"flaky", 2}});
    std::map<std::string, int> asked;
    std::vector<std::pair<size_t, int64_t>> under_way;  // and since when
    int64_t now = 0;
    for (int turn = 0; turn < 2000; ++turn) {
      now += static_cast<int64_t>(below(20'000));
      if (below(2) == 0 || under_way.empty()) {
        const auto at = pool.take(below(5), now);
        ASSERT_TRUE(at.has_value()) << "the good one may always be asked";
        asked[pool.at(*at).url] += 1;
        under_way.emplace_back(*at, now);
        continue;
      }
      const size_t which = below(under_way.size());
      const auto [at, since] = under_way[which];
      under_way.erase(under_way.begin() + static_cast<std::ptrdiff_t>(which));
      const bool bad = at == 1 || (at == 2 && below(4) == 0);
      pool.give_back(at, {bad ? Outcome::kFailed : Outcome::kGood, since, now});
    }
    int outstanding = 0;
    for (size_t i = 0; i < pool.size(); ++i) outstanding += pool.outstanding(i);
    EXPECT_EQ(outstanding, static_cast<int>(under_way.size()));
    // 20 s of which the pauses double: some probes, and what was under way when it opened.
    EXPECT_LE(asked["dead"], 25) << "seed " << seed;
    EXPECT_GT(asked["good"], 200) << "seed " << seed;
  }
}

}  // namespace
}  // namespace weft::backend
