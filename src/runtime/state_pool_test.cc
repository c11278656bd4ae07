// SPDX-License-Identifier: Apache-2.0
#include "runtime/state_pool.h"

#include <gtest/gtest.h>

#include <set>

namespace weft::runtime {
namespace {

TEST(StatePool, SlotsAreApartAndComeBack) {
  StatePool pool(100, 3);
  std::set<float*> seen;
  for (int i = 0; i < 3; ++i) {
    const int slot = pool.take();
    float* state = pool.run(slot, 0, 5);
    for (float* other : seen) EXPECT_GE(std::abs(state - other), 100);
    for (int k = 0; k < 100; ++k) state[k] = static_cast<float>(slot);
    seen.insert(state);
  }
  EXPECT_EQ(pool.free(), 0);
  EXPECT_DEATH(pool.take(), "all 3 states are taken");
  pool.release(1);
  EXPECT_EQ(pool.take(), 1);
  EXPECT_EQ(pool.run(1, 0, 1)[99], 1.0f);  // memory is not cleared; position 0 reads none of it
}

TEST(StatePool, KnowsAfterHowManyTokensAStateIs) {
  StatePool pool(16, 2);
  const int slot = pool.take();
  pool.run(slot, 0, 7);
  EXPECT_EQ(pool.position(slot), 7);
  pool.run(slot, 7, 1);
  EXPECT_EQ(pool.position(slot), 8);
  EXPECT_DEATH(pool.run(slot, 7, 1), "state after 8 tokens, run from 7");
  pool.run(slot, 0, 3);  // recompute
  EXPECT_EQ(pool.position(slot), 3);
  pool.release(slot);
  EXPECT_DEATH(pool.release(slot), "freed twice");
  EXPECT_DEATH(pool.run(slot, 0, 1), "is free");
}

TEST(StatePool, AttentionModelsHaveNoState) {
  StatePool pool(0, 4);
  EXPECT_EQ(pool.run(pool.take(), 0, 1), nullptr);
}

}  // namespace
}  // namespace weft::runtime
