// SPDX-License-Identifier: Apache-2.0
#include "base/env.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(Env, IdsSortByTimeAndDiffer) {
  SimEnv env(1);
  const std::string first = new_id(env, "run_");
  const std::string twin = new_id(env, "run_");
  env.advance_us(2000);
  const std::string later = new_id(env, "run_");
  EXPECT_EQ(first.size(), 30U);
  EXPECT_NE(first, twin);
  EXPECT_LT(first, later);
  EXPECT_EQ(first.substr(0, 14), twin.substr(0, 14));
}

TEST(Env, SimulatedWorldsWithOneSeedAreOne) {
  SimEnv a(7);
  SimEnv b(7);
  EXPECT_EQ(new_id(a, ""), new_id(b, ""));
  a.sleep_us(5);
  EXPECT_EQ(a.mono_ns(), 5000);
}

TEST(Env, Iso8601) {
  EXPECT_EQ(iso8601(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(iso8601(1'700'000'000'123'456), "2023-11-14T22:13:20.123Z");
  EXPECT_EQ(iso8601(-1), "1969-12-31T23:59:59.999Z");
}

TEST(Env, RealClockMovesForward) {
  const int64_t before = real_env().mono_ns();
  real_env().sleep_us(1000);
  EXPECT_GE(real_env().mono_ns() - before, 1'000'000);
}

}  // namespace
}  // namespace weft
