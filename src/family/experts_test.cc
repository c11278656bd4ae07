// SPDX-License-Identifier: Apache-2.0
#include "family/experts.h"

#include <gtest/gtest.h>

#include <cmath>

namespace weft::family {
namespace {

Routing chosen(std::vector<float> scores, int64_t rows, int k) {
  Routing out;
  const int64_t experts = std::ssize(scores) / rows;
  out.choose(tensor::ConstRows(scores.data(), rows, experts), k);
  return out;
}

TEST(Routing, TakesTheLargestBestFirst) {
  const Routing got = chosen({0.1f, 0.4f, 0.2f, 0.3f,    //
                              -5.0f, -1.0f, -3.0f, -4.0f}, 2, 2);
  EXPECT_EQ(got.expert, (std::vector<int32_t>{1, 3, 1, 2}));
  EXPECT_EQ(got.weight, (std::vector<float>{0.4f, 0.3f, -1.0f, -3.0f}));
}

TEST(Routing, AmongEqualsTheLowestAndNanLast) {
  EXPECT_EQ(chosen({1, 1, 1, 1}, 1, 3).expert, (std::vector<int32_t>{0, 1, 2}));
  EXPECT_EQ(chosen({1, 2, 2, 0}, 1, 4).expert, (std::vector<int32_t>{1, 2, 0, 3}));
  const float nan = std::nanf("");
  const float low = -INFINITY;
  EXPECT_EQ(chosen({nan, low, nan, 3}, 1, 3).expert, (std::vector<int32_t>{3, 1, 0}));
  EXPECT_EQ(chosen({nan, nan}, 1, 2).expert, (std::vector<int32_t>{0, 1}));  // never one twice
}

TEST(Routing, AsksForAsManyAsThereAre) {
  EXPECT_DEATH(chosen({1, 2}, 1, 3), "3 of 2 experts");
  EXPECT_DEATH(chosen({1, 2}, 1, 0), "0 of 2 experts");
}

}  // namespace
}  // namespace weft::family
