// SPDX-License-Identifier: Apache-2.0
//
// The few numbers of a report that need more than counting: quantiles, an interval for a share,
// and whether two runs over the same cases differ by more than chance. Pure functions.
#pragma once

#include <cstdint>
#include <vector>

namespace weft::eval {

// The smallest element that a share `q` in (0, 1] of all elements does not exceed (nearest rank).
// 0 for no elements.
double quantile(std::vector<double> values, double q);

struct Interval {
  double low = 0;
  double high = 1;
};
// 95 % interval of a share after `right` of `total` (Wilson 1927): also right for few cases and for
// shares near 0 and 1. [0, 1] for no cases.
Interval wilson(int64_t right, int64_t total);

// McNemar's test, exact and two-sided: of the cases that two runs judge differently, `fixed` went
// from wrong to right and `broken` from right to wrong; how likely is a split at least as uneven if
// both ways were equally likely? 1 if there are none.
double mcnemar(int64_t fixed, int64_t broken);

}  // namespace weft::eval
