// SPDX-License-Identifier: Apache-2.0
#include "runtime/drafter.h"

#include <gtest/gtest.h>

namespace weft::runtime {
namespace {

using Tokens = std::vector<text::TokenId>;

TEST(Drafter, GoesOnAsBefore) {
  Drafter drafter;
  drafter.add(Tokens{1, 2, 3, 4, 5, 6, 7, 8, 9, 50, 2, 3});
  EXPECT_TRUE(drafter.guess(7).empty());
  drafter.add(Tokens{4});
  EXPECT_EQ(drafter.guess(2), (Tokens{5, 6}));
  EXPECT_EQ(drafter.guess(7), (Tokens{5, 6, 7}));
  drafter.verdict(3, 3);
  drafter.add(Tokens{5, 6, 7});
  EXPECT_EQ(drafter.guess(7), (Tokens{8, 9, 50, 2, 3, 4, 5}));
}

TEST(Drafter, FollowsACycleBeyondItsEnd) {
  Drafter drafter;
  drafter.add(Tokens{7, 8, 7, 8, 7});
  drafter.verdict(3, 3);
  EXPECT_EQ(drafter.guess(7), (Tokens{8, 7, 8, 7, 8, 7, 8}));
}

TEST(Drafter, PausesWhereNothingProvesTrue) {
  Drafter drafter;
  drafter.add(Tokens{1, 2, 3, 4, 1, 2, 3});
  int guesses = 0;
  for (int i = 0; i < 400; ++i) {
    const auto guess = drafter.guess(7);
    if (guess.empty()) continue;
    ++guesses;
    drafter.verdict(static_cast<int>(guess.size()), 0);
  }
  EXPECT_LE(guesses, 12);
  EXPECT_GE(guesses, 5);  // but it tries again
  Drafter fresh;
  EXPECT_TRUE(fresh.guess(7).empty());
  fresh.add(Tokens{1, 2, 3});
  EXPECT_TRUE(fresh.guess(7).empty());
}

}  // namespace
}  // namespace weft::runtime
