// SPDX-License-Identifier: Apache-2.0
#include "workflow/schedule.h"

#include <gtest/gtest.h>

#include <set>

namespace weft::workflow {
namespace {

TEST(Schedule, Durations) {
  const auto us = [](std::string_view text) {
    const auto result = parse_duration(text);
    return result.ok() ? *result : -1;
  };
  EXPECT_EQ(us("90"), 90 * kSecondUs);
  EXPECT_EQ(us("1.5"), 1'500'000);
  EXPECT_EQ(us("0.1"), 100'000);
  EXPECT_EQ(us("250ms"), 250'000);
  EXPECT_EQ(us("2m"), 120 * kSecondUs);
  EXPECT_EQ(us("1h30m"), 5'400 * kSecondUs);
  EXPECT_EQ(us("1.5h"), 5'400 * kSecondUs);
  EXPECT_EQ(us("1d"), 86'400 * kSecondUs);
  EXPECT_EQ(us("PT2M"), 120 * kSecondUs);
  EXPECT_EQ(us("P1DT12H"), 129'600 * kSecondUs);
  EXPECT_EQ(us("PT0.5S"), 500'000);
  EXPECT_EQ(us("P2W"), 1'209'600 * kSecondUs);
  EXPECT_EQ(us("0"), 0);
  for (const char* bad : {"", "-1", "1x", "m", "2 m", "30m1h", "1m1m", "P", "PT", "P1M", "P1Y",
                          "1e3", "11y", "99999999999999999999", "999999d", "1.", "PT1H2H", "nan",
                          "1h-2m", "P-1D", "+5"}) {
    EXPECT_EQ(us(bad), -1) << bad;
  }
}

TEST(Schedule, BackoffShapes) {
  Retry retry{.jitter = false, .initial_us = 100, .max_us = 1'000};
  const auto pauses = [&](Backoff backoff) {
    retry.backoff = backoff;
    std::vector<int64_t> out;
    for (uint32_t n : {1U, 2U, 3U, 4U, 5U, 1000U}) out.push_back(backoff_us(retry, {n, n, 1, "a"}));
    return out;
  };
  EXPECT_EQ(pauses(Backoff::kFixed), (std::vector<int64_t>{100, 100, 100, 100, 100, 100}));
  EXPECT_EQ(pauses(Backoff::kLinear), (std::vector<int64_t>{100, 200, 300, 400, 500, 1'000}));
  EXPECT_EQ(pauses(Backoff::kExponential),
            (std::vector<int64_t>{100, 200, 400, 800, 1'000, 1'000}));
  retry.initial_us = 0;
  EXPECT_EQ(pauses(Backoff::kExponential), (std::vector<int64_t>(6, 0)));
  retry.initial_us = retry.max_us = kDurationMaxUs;
  EXPECT_EQ(pauses(Backoff::kLinear).back(), kDurationMaxUs);
}

TEST(Schedule, JitterIsWithinBoundsAndOnlyAFunctionOfItsArguments) {
  const Retry retry{.jitter = true, .initial_us = 1'000, .max_us = 10'000};
  std::set<int64_t> seen;
  for (uint32_t attempt = 1; attempt <= 200; ++attempt) {
    const Pause pause{1, attempt, 42, "step[3]"};
    const int64_t us = backoff_us(retry, pause);
    EXPECT_GE(us, 500);
    EXPECT_LE(us, 1'000);
    EXPECT_EQ(us, backoff_us(retry, pause));
    seen.insert(us);
  }
  EXPECT_GT(seen.size(), 100U);
  EXPECT_NE(backoff_us(retry, {1, 1, 42, "a"}), backoff_us(retry, {1, 1, 42, "b"}));
  // Fixed for all time: a journal written today must fold to the same pauses.
  EXPECT_EQ(backoff_us(retry, {1, 1, 42, "a"}), backoff_us(retry, {1, 1, 42, "a"}));
}

TEST(Schedule, DeadlinesSaturate) {
  EXPECT_EQ(deadline_us(5, 0), 0);
  EXPECT_EQ(deadline_us(5, 7), 12);
  EXPECT_EQ(deadline_us(INT64_MAX - 1, 7), INT64_MAX);
}

TEST(Schedule, DurationsForPeople) {
  EXPECT_EQ(duration_text(250'000), "250 ms");
  EXPECT_EQ(duration_text(1'500'000), "1.5 s");
  EXPECT_EQ(duration_text(300 * kSecondUs), "5 min");
  EXPECT_EQ(duration_text(4 * 3600 * kSecondUs), "4 h");
}

}  // namespace
}  // namespace weft::workflow
