// SPDX-License-Identifier: Apache-2.0
#include "base/math.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>

namespace weft::math {
namespace {

// libm in long double is the twin.
TEST(Math, ExpIsAccurate) {
  for (double x = -700; x < 709; x += 0.37) {
    const auto exact = static_cast<double>(std::exp(static_cast<long double>(x)));
    EXPECT_NEAR(exp(x) / exact, 1.0, 1e-15) << x;
  }
  EXPECT_EQ(exp(0.0), 1.0);
  EXPECT_EQ(exp(-1000.0), 0.0);
  EXPECT_NEAR(exp(-740.0) / std::exp(-740.0), 1.0, 0.1);  // subnormal
  EXPECT_TRUE(std::isinf(exp(1000.0)));
  EXPECT_TRUE(std::isnan(exp(std::nan(""))));
  EXPECT_EQ(exp(-HUGE_VAL), 0.0);
}

TEST(Math, LogIsAccurate) {
  for (double x = 1e-300; x < 1e300; x *= 3.7) {
    const auto exact = static_cast<double>(std::log(static_cast<long double>(x)));
    EXPECT_NEAR(log(x), exact, std::abs(exact) * 4e-16 + 1e-17) << x;
  }
  for (double x = 0.5; x < 2.0; x += 0.001) {
    const auto exact = static_cast<double>(std::log(static_cast<long double>(x)));
    EXPECT_NEAR(log(x), exact, std::abs(exact) * 1e-15 + 1e-17) << x;
  }
  EXPECT_EQ(log(1.0), 0.0);
  EXPECT_NEAR(log(5e-324), -744.4400719213812, 1e-12);
  EXPECT_DEATH((void)log(0.0), "log");
}

TEST(Math, SinCosIsAccurateAtLargeAngles) {
  for (double x = -3e8 / 2; x < 1e8; x = x * 0.999 + 77777.7) {
    if (std::abs(x) > 0x1p27) continue;
    const SinCos got = sin_cos(x);
    EXPECT_NEAR(got.sin, static_cast<double>(std::sin(static_cast<long double>(x))), 3e-16) << x;
    EXPECT_NEAR(got.cos, static_cast<double>(std::cos(static_cast<long double>(x))), 3e-16) << x;
    if (x > 7e7) break;
  }
  for (double x = -10; x < 10; x += 0.01) {
    EXPECT_NEAR(sin_cos(x).sin, std::sin(x), 3e-16) << x;
    EXPECT_NEAR(sin_cos(x).cos, std::cos(x), 3e-16) << x;
  }
  EXPECT_DEATH((void)sin_cos(1e30), "sin_cos");
}

// The bits themselves, so that a compiler or flag that changes them is seen.
TEST(Math, BitsAreFixed) {
  uint64_t hash = 0;
  const auto add = [&](double x) { hash = (hash ^ std::bit_cast<uint64_t>(x)) * 0x100000001B3u; };
  for (int i = 1; i < 2000; ++i) {
    add(exp(-0.013 * i));
    add(log(0.7 * i));
    add(sin_cos(3.1 * i).sin);
    add(sin_cos(3.1 * i).cos);
  }
  EXPECT_EQ(hash, 957304727712464357u);
}

}  // namespace
}  // namespace weft::math
