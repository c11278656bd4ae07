// SPDX-License-Identifier: Apache-2.0
#include "base/math.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "base/error.h"

namespace weft::math {
namespace {

// ln 2 in two parts (Cody and Waite): k ln 2 loses no bit of x although k is up to 1074.
constexpr double kLn2High = 0x1.62e42fefa0000p-1;  // 38 bits: exact times any exponent
constexpr double kLn2Low = 0x1.cf79abc9e3b3ap-40;

// 2^exponent for a normal double.
double power_of_two(int exponent) {
  return std::bit_cast<double>(static_cast<uint64_t>(exponent + 1023) << 52);
}

// std::nearbyint depends on the rounding mode; adding and taking away 1.5 x 2^52 does not vary,
// since the mode is never changed.
double nearest_integer(double x) {
  constexpr double kMagic = 0x1.8p52;
  return (x + kMagic) - kMagic;
}

// pi/2 = sum of these to about 100 bits; each of the first three has at most 25 significant bits,
// so that its product with an integer below 2^28 is exact.
constexpr double kHalfPi[] = {0x1.921fb50000000p+0, 0x1.110b460000000p-26, 0x1.1a62630000000p-54,
                              0x1.8a2e03707344ap-81};

}  // namespace

// Series instead of the tables of a fast libm: these run for tables of angles and for tests, a few
// thousand times a model, and what counts is that every machine gets the same bits. No fused
// multiply-add either (-ffp-contract=off), which would round once where others round twice.
double exp(double x) {
  if (std::isnan(x)) return x;
  if (x > 709.782712893384) return std::numeric_limits<double>::infinity();
  if (x < -745.2) return 0.0;  // below half of the smallest denormal
  // x = k ln 2 + r, |r| <= 0.35; e^r by its series up to r^14 / 14! (below 1e-17 relative).
  const double k = nearest_integer(x * 1.4426950408889634);
  const double r = (x - k * kLn2High) - k * kLn2Low;
  double sum = 1.0;
  for (int n = 14; n >= 1; --n) sum = 1.0 + r * sum / n;
  // Two factors, so that results near the ends of the range do not overflow on the way.
  const int exponent = static_cast<int>(k);
  const int half = exponent / 2;
  return sum * power_of_two(half) * power_of_two(exponent - half);
}

// The artanh series needs half the terms of ln(1 + t), since s is smaller than t and only odd
// powers stand in it.
double log(double x) {
  CHECK(x > 0 && x <= std::numeric_limits<double>::max(), "log({})", x);
  int shift = 0;
  if (x < std::numeric_limits<double>::min()) {
    x *= 0x1p54;
    shift = -54;
  }
  // x = 2^e m, sqrt(1/2) <= m < sqrt(2); ln m = 2 artanh s, s = (m - 1) / (m + 1), |s| < 0.172.
  const auto bits = std::bit_cast<uint64_t>(x);
  int e = static_cast<int>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0xFFFFFFFFFFFFFull) | 0x3FF0000000000000ull);
  if (m >= 1.4142135623730951) {
    m *= 0.5;
    ++e;
  }
  e += shift;
  const double s = (m - 1.0) / (m + 1.0);
  const double s2 = s * s;
  double sum = 0.0;
  for (int n = 25; n >= 3; n -= 2) sum = (sum + 1.0 / n) * s2;
  return e * kLn2High + (2.0 * s + (2.0 * s * sum + e * kLn2Low));
}

// x = k pi/2 + r, |r| <= pi/4; the quarter k mod 4 says which series, and with which sign. The
// bound on x is what the parts of pi/2 can carry; positions times frequencies stay far below it.
SinCos sin_cos(double x) {
  CHECK(std::abs(x) <= 0x1p28, "sin_cos({})", x);
  const double k = nearest_integer(x * 0.6366197723675814);
  double r = x;
  for (const double part : kHalfPi) r -= k * part;
  // Both series to the term below 1e-17 at |r| = pi/4.
  const double r2 = r * r;
  double s = 1.0;
  for (int n = 18; n >= 2; n -= 2) s = 1.0 - r2 * s / (n * (n + 1.0));
  s *= r;
  double c = 1.0;
  for (int n = 18; n >= 2; n -= 2) c = 1.0 - r2 * c / (n * (n - 1.0));
  switch (static_cast<int64_t>(k) & 3) {
    case 0: return {s, c};
    case 1: return {c, -s};
    case 2: return {-s, -c};
    default: return {-c, s};
  }
}

}  // namespace weft::math
