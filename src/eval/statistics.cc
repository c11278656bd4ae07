// SPDX-License-Identifier: Apache-2.0
#include "eval/statistics.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/math.h"

namespace weft::eval {

double quantile(std::vector<double> values, double q) {
  CHECK(q > 0 && q <= 1, "q={}", q);
  if (values.empty()) return 0;
  const double rank = std::ceil(q * static_cast<double>(values.size()));
  const auto index = static_cast<std::ptrdiff_t>(std::max(rank, 1.0)) - 1;
  std::nth_element(values.begin(), values.begin() + index, values.end());
  return values[static_cast<size_t>(index)];
}

Interval wilson(int64_t right, int64_t total) {
  CHECK(right >= 0 && right <= total, "{} of {}", right, total);
  if (total == 0) return {};
  constexpr double kZ = 1.959963984540054;  // 97.5 % quantile of the normal distribution
  const auto n = static_cast<double>(total);
  const double share = static_cast<double>(right) / n;
  const double centre = share + kZ * kZ / (2 * n);
  const double spread = kZ * std::sqrt(share * (1 - share) / n + kZ * kZ / (4 * n * n));
  const double scale = 1 + kZ * kZ / n;
  return {std::max(0.0, (centre - spread) / scale), std::min(1.0, (centre + spread) / scale)};
}

double mcnemar(int64_t fixed, int64_t broken) {
  CHECK(fixed >= 0 && broken >= 0);
  const int64_t n = fixed + broken;
  if (n == 0) return 1;
  // The sum of C(n, k) / 2^n for k up to the smaller count, in logarithms: 2^n soon is too large.
  const double log_half = math::log(0.5) * static_cast<double>(n);
  double log_choose = 0;
  double tail = 0;
  for (int64_t k = 0; k <= std::min(fixed, broken); ++k) {
    if (k > 0) {
      log_choose += math::log(static_cast<double>(n - k + 1) / static_cast<double>(k));
    }
    tail += math::exp(log_choose + log_half);
  }
  return std::min(1.0, 2 * tail);
}

}  // namespace weft::eval
