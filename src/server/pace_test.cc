// SPDX-License-Identifier: Apache-2.0
#include "server/pace.h"

#include <gtest/gtest.h>

namespace weft::server {
namespace {

constexpr int64_t kSecond = 1'000'000;

TEST(Pace, AnIdleServerTakesTheMean) {
  Pace pace;
  EXPECT_EQ(pace.seconds(10, 0, 1), 10);
  for (int i = 1; i <= 100; ++i) pace.ended(i * 10 * kSecond, 2 * kSecond);  // one after the other
  EXPECT_EQ(pace.runs_at_once(), 1);
  EXPECT_EQ(pace.seconds(2, 0, 1), 2);
}

TEST(Pace, WhatWasMeasuredUnderLoadIsNotStretchedTwice) {
  Pace pace;
  for (int i = 1; i <= 64; ++i) pace.ended(i * kSecond, 8 * kSecond);  // eight at a time
  EXPECT_NEAR(pace.runs_at_once(), 7.2, 0.2);
  EXPECT_EQ(pace.seconds(8, 6, 1), 8);          // as busy as then: as long as then
  EXPECT_NEAR(pace.seconds(8, 35, 1), 40, 2);   // five times as busy
  EXPECT_EQ(pace.seconds(8, 35, 10), 8);        // urgent
}

TEST(Pace, EndsAtOneMomentAreNoDivisionByZero) {
  Pace pace;
  pace.ended(kSecond, 0);
  EXPECT_EQ(pace.runs_at_once(), 1);
}

}  // namespace
}  // namespace weft::server
