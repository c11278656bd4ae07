// SPDX-License-Identifier: Apache-2.0
#include "runtime/loop_guard.h"

#include <gtest/gtest.h>

#include <vector>

namespace weft::runtime {
namespace {

using Tokens = std::vector<text::TokenId>;

Tokens repeated(int period, int length, int before = 10) {
  Tokens out;
  for (int i = 0; i < before; ++i) out.push_back(1000 + i);
  for (int i = 0; i < length; ++i) out.push_back(i % period);
  return out;
}

TEST(LoopGuard, SeesEveryPeriodAndNotBefore) {
  for (const int period : {1, 2, 7, 48, 64}) {
    const int needed = std::max(192, 4 * period);
    EXPECT_TRUE(ends_in_loop(repeated(period, needed))) << period;
    EXPECT_FALSE(ends_in_loop(repeated(period, needed - 1))) << period;
    EXPECT_TRUE(ends_in_loop(repeated(period, needed, 0))) << period;
  }
  EXPECT_FALSE(ends_in_loop(repeated(65, 2000)));
  EXPECT_FALSE(ends_in_loop(Tokens{}));
}

TEST(LoopGuard, OneOtherTokenIsNoLoop) {
  Tokens tokens = repeated(3, 300);
  tokens[tokens.size() - 150] = 77;
  EXPECT_FALSE(ends_in_loop(tokens));
  tokens = repeated(3, 300);
  tokens.push_back(77);
  EXPECT_FALSE(ends_in_loop(tokens));
}

}  // namespace
}  // namespace weft::runtime
