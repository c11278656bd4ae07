// SPDX-License-Identifier: Apache-2.0
#include "eval/statistics.h"

#include <gtest/gtest.h>

namespace weft::eval {
namespace {

TEST(Statistics, QuantilesAreElements) {
  EXPECT_EQ(quantile({}, 0.5), 0);
  EXPECT_EQ(quantile({3, 1, 2}, 0.5), 2);
  EXPECT_EQ(quantile({4, 3, 1, 2}, 0.5), 2);
  std::vector<double> hundred;
  for (int i = 100; i > 0; --i) hundred.push_back(i);
  EXPECT_EQ(quantile(hundred, 0.99), 99);
  EXPECT_EQ(quantile(hundred, 1), 100);
  EXPECT_EQ(quantile({7}, 0.99), 7);
}

// Worked out apart, by the formula in Brown, Cai, DasGupta (2001), eq. 4.
TEST(Statistics, Wilson) {
  const Interval some = wilson(109, 112);
  EXPECT_NEAR(some.low, 0.924195, 1e-6);
  EXPECT_NEAR(some.high, 0.990849, 1e-6);
  const Interval none = wilson(0, 10);
  EXPECT_EQ(none.low, 0);
  EXPECT_NEAR(none.high, 0.277533, 1e-6);
  EXPECT_NEAR(wilson(10, 10).low, 0.722467, 1e-6);
  EXPECT_EQ(wilson(0, 0).high, 1);
}

TEST(Statistics, McNemarIsTheTwoSidedBinomial) {
  EXPECT_EQ(mcnemar(0, 0), 1);
  EXPECT_EQ(mcnemar(3, 3), 1);
  EXPECT_NEAR(mcnemar(0, 5), 2.0 / 32, 1e-12);
  EXPECT_NEAR(mcnemar(5, 0), 2.0 / 32, 1e-12);
  EXPECT_NEAR(mcnemar(1, 9), 2.0 * (1 + 10) / 1024, 1e-12);
  EXPECT_NEAR(mcnemar(2, 8), 2.0 * (1 + 10 + 45) / 1024, 1e-12);
  // Far beyond what 2^-n holds as a double.
  EXPECT_NEAR(mcnemar(2000, 2000), 1, 1e-9);
  EXPECT_LT(mcnemar(1000, 3000), 1e-100);
  EXPECT_GE(mcnemar(0, 4000), 0);
}

}  // namespace
}  // namespace weft::eval
