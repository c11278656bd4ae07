// SPDX-License-Identifier: Apache-2.0
#include "tensor/math.h"

#include <bit>
#include <cstdint>
#include <limits>

#include "base/error.h"

namespace weft::tensor {
namespace {

constexpr double kRounder = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// ln 2 in two parts; n * high is exact for |n| < 2^11.
constexpr double kLn2High = 0x1.62e42fee00000p-1;
constexpr double kLn2Low = 0x1.a39ef35793c76p-33;

// The sum of 1/n! r^n from `first` on, every `step`th term with alternating signs if asked: the
// coefficients of the Taylor series are computed by the compiler, from the smallest up.
constexpr double factorial(int n) {
  double out = 1;
  for (int i = 2; i <= n; ++i) out *= i;
  return out;
}

// sin r = r - r^3/3! + … r^17/17!; the next term is below 2^-59 of r for |r| <= pi/4. `tail` is what
// r lost by rounding.
double sin_series(double r, double tail) {
  const double z = r * r;
  double p = 0;
  for (int n = 17; n >= 5; n -= 2) p = p * -z + 1 / factorial(n);
  // p holds 1/5! - z/7! + …; the signs of the series: -1/3!, +1/5!
  const double cube = z * r;
  return r - ((z * (0.5 * tail - cube * p) - tail) + cube / 6);
}

// cos r = 1 - r^2/2 + r^4/4! - … r^18/18!
double cos_series(double r, double tail) {
  const double z = r * r;
  double p = 0;
  for (int n = 18; n >= 4; n -= 2) p = p * -z + 1 / factorial(n);
  const double half = 0.5 * z;
  const double w = 1 - half;
  return w + (((1 - w) - half) + (z * z * p - r * tail));
}

struct Reduced {
  double r, tail;   // x = quadrant * pi/2 + r + tail, |r| <= pi/4
  int64_t quadrant;
};

// Cody and Waite: pi/2 in three parts of 33 bits and a rest, so that quadrant * part is exact.
Reduced reduce(double x) {
  constexpr double kTwoOverPi = 6.36619772367581382433e-01;
  constexpr double kPart1 = 0x1.921fb544p+0;
  constexpr double kPart2 = 0x1.0b4611a6p-34;
  constexpr double kPart3 = 0x1.3198a2ep-69;
  constexpr double kPart4 = 0x1.b839a252049c1p-104;
  CHECK(x > -1647099.0 && x < 1647099.0, "angle {}", x);
  const double n = (x * kTwoOverPi + kRounder) - kRounder;
  const double a = x - n * kPart1;                  // exact
  const double b = n * kPart2;
  const double r1 = a - b;
  const double lost1 = (a - r1) - b;                // what r1 lost, exact
  const double c = n * kPart3;
  const double r2 = r1 + (lost1 - c);
  const double lost2 = ((r1 - r2) + lost1) - c - n * kPart4;
  const double r = r2 + lost2;
  return {r, (r2 - r) + lost2, static_cast<int64_t>(n)};
}

}  // namespace

double exp(double x) {
  if (x != x) return x;
  if (x < -708.39) return 0;
  if (x > 709.782712893384) return kInfinity;
  const double n = (x * 1.44269504088896340736 + kRounder) - kRounder;
  const double high = x - n * kLn2High;
  const double low = n * kLn2Low;
  const double r = high - low;
  const double lost = (high - r) - low;
  // e^r = 1 + r + r^2 (1/2! + r/3! + … r^11/13!)
  double p = 0;
  for (int i = 13; i >= 2; --i) p = p * r + 1 / factorial(i);
  const double y = 1 + (r + (r * r * p + lost));
  const auto whole = static_cast<int64_t>(n);
  const int64_t half = whole / 2;
  const auto power = [](int64_t e) { return std::bit_cast<double>((e + 1023) << 52); };
  return y * power(half) * power(whole - half);
}

double log(double x) {
  if (x != x || x == kInfinity) return x;
  if (x < 0) return kNaN;
  if (x < std::numeric_limits<double>::min()) return -kInfinity;
  // x = 2^n m, m in [sqrt 1/2, sqrt 2); ln m = 2 (s + s^3/3 + …), s = (m - 1) / (m + 1)
  constexpr int64_t kSqrtHalf = 0x3fe6a09e667f3bcd;
  const auto raw = std::bit_cast<int64_t>(x);
  const int64_t moved = raw + (0x3ff0000000000000 - kSqrtHalf);
  const auto n = static_cast<double>((moved >> 52) - 1023);
  const double f = std::bit_cast<double>((moved & 0x000fffffffffffff) + kSqrtHalf) - 1;
  const double s = f / (2 + f);
  const double z = s * s;
  double p = 0;
  for (int i = 23; i >= 3; i -= 2) p = p * z + 2.0 / i;
  // ln m = f - f^2/2 + s (f^2/2 + z p), where the large part f is exact
  const double half = 0.5 * f * f;
  return n * kLn2High - ((half - (s * (half + z * p) + n * kLn2Low)) - f);
}

double pow(double x, double y) {
  CHECK(x > 0, "pow of {}", x);
  return exp(y * log(x));
}

double sin(double x) {
  const Reduced a = reduce(x);
  switch (a.quadrant & 3) {
    case 0: return sin_series(a.r, a.tail);
    case 1: return cos_series(a.r, a.tail);
    case 2: return -sin_series(a.r, a.tail);
    default: return -cos_series(a.r, a.tail);
  }
}

double cos(double x) {
  const Reduced a = reduce(x);
  switch (a.quadrant & 3) {
    case 0: return cos_series(a.r, a.tail);
    case 1: return -sin_series(a.r, a.tail);
    case 2: return -cos_series(a.r, a.tail);
    default: return sin_series(a.r, a.tail);
  }
}

}  // namespace weft::tensor
