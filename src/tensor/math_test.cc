// SPDX-License-Identifier: Apache-2.0
#include "tensor/math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tensor/test_numbers.h"

namespace weft::tensor {
namespace {

constexpr int kArguments = 200'000;

double uniform(TestNumbers& numbers, double low, double high) {
  return low + (high - low) * (static_cast<double>(numbers.next() >> 11) * 0x1p-53);
}

// |got - exact| in units in the last place of `exact`.
double ulps(double got, long double exact) {
  const double rounded = std::fabs(static_cast<double>(exact));
  const double unit = std::nextafter(rounded, INFINITY) - rounded;
  return static_cast<double>(std::fabs(static_cast<long double>(got) - exact) / unit);
}

template <class Ours, class Exact>
double worst_ulps(uint64_t seed, double low, double high, Ours ours, Exact exact) {
  TestNumbers numbers(seed);
  double worst = 0;
  for (int i = 0; i < kArguments; ++i) {
    const double x = uniform(numbers, low, high);
    worst = std::max(worst, ulps(ours(x), exact(static_cast<long double>(x))));
  }
  return worst;
}

TEST(Math, ExpWithinTwoUlps) {
  const auto ours = [](double x) { return tensor::exp(x); };
  const auto exact = [](long double x) { return expl(x); };
  EXPECT_LE(worst_ulps(1, -708.3, 709.7, ours, exact), 2.0);
  EXPECT_LE(worst_ulps(2, -1, 1, ours, exact), 2.0);
}

TEST(Math, LogWithinTwoUlps) {
  const auto ours = [](double x) { return tensor::log(x); };
  const auto exact = [](long double x) { return logl(x); };
  EXPECT_LE(worst_ulps(3, 0.3, 3, ours, exact), 2.0);
  EXPECT_LE(worst_ulps(4, 0.999, 1.001, ours, exact), 2.0);
  EXPECT_LE(worst_ulps(5, 0, 1e300, ours, exact), 2.0);
}

TEST(Math, SinAndCosWithinTwoUlps) {
  for (const double range : {0.8, 10.0, 1000.0, 1.6e6}) {
    EXPECT_LE(worst_ulps(6, -range, range, [](double x) { return tensor::sin(x); },
                         [](long double x) { return sinl(x); }), 2.0) << range;
    EXPECT_LE(worst_ulps(7, -range, range, [](double x) { return tensor::cos(x); },
                         [](long double x) { return cosl(x); }), 2.0) << range;
  }
}

TEST(Math, AnglesOfWholePositions) {  // what a rotary table asks for
  for (int64_t position = 0; position < 300'000; position += 7) {
    const auto x = static_cast<double>(position);
    ASSERT_LE(ulps(tensor::sin(x), sinl(x)), 2.0) << position;
    ASSERT_LE(ulps(tensor::cos(x), cosl(x)), 2.0) << position;
  }
}

TEST(Math, PowWithinItsBound) {
  TestNumbers numbers(8);
  for (int i = 0; i < kArguments; ++i) {
    const double x = uniform(numbers, 1, 2e7);
    const double y = uniform(numbers, -1, 1);
    const long double exact = powl(x, y);
    const double bound = 0x1p-52 * (2 + std::fabs(y * std::log(x)));
    ASSERT_LE(std::fabs(static_cast<double>(tensor::pow(x, y) / exact - 1)), bound) << x << " " << y;
  }
}

TEST(Math, Edges) {
  const double inf = INFINITY;
  EXPECT_EQ(tensor::exp(0), 1.0);
  EXPECT_EQ(tensor::exp(-inf), 0.0);
  EXPECT_EQ(tensor::exp(-709.0), 0.0);
  EXPECT_EQ(tensor::exp(inf), inf);
  EXPECT_EQ(tensor::exp(709.79), inf);
  EXPECT_TRUE(std::isnan(tensor::exp(NAN)));
  EXPECT_EQ(tensor::log(1), 0.0);
  EXPECT_EQ(tensor::log(0), -inf);
  EXPECT_EQ(tensor::log(inf), inf);
  EXPECT_TRUE(std::isnan(tensor::log(-1)));
  EXPECT_TRUE(std::isnan(tensor::log(NAN)));
  EXPECT_EQ(tensor::sin(0), 0.0);
  EXPECT_EQ(tensor::cos(0), 1.0);
  EXPECT_DEATH(tensor::sin(2e6), "angle");
  EXPECT_DEATH(tensor::pow(0, 1), "pow of 0");
}

}  // namespace
}  // namespace weft::tensor
