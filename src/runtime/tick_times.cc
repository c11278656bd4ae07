// SPDX-License-Identifier: Apache-2.0
#include "runtime/tick_times.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace weft::runtime {
namespace {

constexpr int kManyRows = 32;     // from here on a tick is limited by arithmetic, not by memory
constexpr double kQuick = 1.0 / 8, kSlow = 1.0 / 32;
constexpr double kRows = 1.0 / 4;
constexpr double kForgotten = 0.9;
constexpr double kDeviations = 3;

}  // namespace

void TickTimes::Average::add(double value, double share) {
  if (mean == 0) {
    mean = value;
    variance = value * value / 4;
    return;
  }
  const double distance = value - mean;
  mean += distance * share;
  variance += (distance * distance - variance) * share;
}

void TickTimes::add(int rows, int decoding, double seconds) {
  CHECK(rows > 0 && decoding >= 0 && seconds >= 0, "{} rows in {} s", rows, seconds);
  longest_ = std::max(seconds, longest_ * kForgotten);
  if (rows >= kManyRows) {
    const double row = std::max(0.0, seconds - quick_.mean) / rows;
    row_ = row_ == 0 ? row : row_ + (row - row_) * kRows;
  }
  if (decoding == 0) return;
  const int beside = rows >= kManyRows ? rows - decoding : 0;
  const double alone = std::max(seconds / 4, seconds - beside * row_);
  quick_.add(alone, kQuick);
  slow_.add(alone, kSlow);
}

// Ticks are taken as independent of each other: the variance of their sum is the sum of theirs.
double TickTimes::expect(int passes, int rows) const {
  const double row = row_ > 0 ? row_ : slow_.mean / 4;
  const auto sum = [&](const Average& of) {
    return passes * of.mean + kDeviations * std::sqrt(passes * of.variance);
  };
  return std::max(sum(quick_), sum(slow_)) + rows * row;
}

}  // namespace weft::runtime
