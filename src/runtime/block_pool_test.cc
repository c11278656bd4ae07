// SPDX-License-Identifier: Apache-2.0
#include "runtime/block_pool.h"

#include <gtest/gtest.h>

namespace weft::runtime {
namespace {

TEST(BlockPool, CountsOwners) {
  BlockPool pool(3);
  const BlockId a = pool.take();
  EXPECT_EQ(pool.free(), 2);
  pool.share(a);
  pool.release(a);
  EXPECT_EQ(pool.references(a), 1);
  pool.release(a);
  EXPECT_EQ(pool.free(), 3);
  EXPECT_EQ(pool.take(), a);  // recently used memory is warm
}

TEST(BlockPool, StopsOnOurOwnBugs) {
  BlockPool pool(1);
  const BlockId a = pool.take();
  EXPECT_DEATH(pool.take(), "all 1 blocks are taken");
  pool.release(a);
  EXPECT_DEATH(pool.release(a), "freed twice");
  EXPECT_DEATH(pool.share(a), "is free");
  EXPECT_DEATH(pool.release(7), "block 7 of 1");
}

}  // namespace
}  // namespace weft::runtime
