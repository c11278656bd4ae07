// SPDX-License-Identifier: Apache-2.0
#include "runtime/block_pool.h"

#include <gtest/gtest.h>

namespace weft::runtime {
namespace {

TEST(BlockPool, CountsOwnersAndPromises) {
  BlockPool pool(3);
  EXPECT_TRUE(pool.reserve(2));
  EXPECT_FALSE(pool.reserve(2));
  EXPECT_TRUE(pool.reserve(1));
  const BlockId a = pool.take();
  EXPECT_EQ(pool.free(), 2);
  EXPECT_EQ(pool.reserved(), 2);
  pool.share(a);
  pool.release(a);
  EXPECT_EQ(pool.references(a), 1);
  pool.release(a);
  EXPECT_EQ(pool.free(), 3);
  EXPECT_FALSE(pool.reserve(2));  // two are still promised
  pool.unreserve(2);
  EXPECT_TRUE(pool.reserve(3));
}

TEST(BlockPool, StopsOnOurOwnBugs) {
  BlockPool pool(2);
  EXPECT_DEATH(pool.take(), "not reserved");
  ASSERT_TRUE(pool.reserve(1));
  const BlockId a = pool.take();
  pool.release(a);
  EXPECT_DEATH(pool.release(a), "freed twice");
  EXPECT_DEATH(pool.share(a), "is free");
  EXPECT_DEATH(pool.release(7), "block 7 of 2");
  EXPECT_DEATH(pool.unreserve(1), "reserved");
}

}  // namespace
}  // namespace weft::runtime
