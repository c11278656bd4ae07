// SPDX-License-Identifier: Apache-2.0
#include "runtime/prefix_tree.h"

#include <gtest/gtest.h>

#include <numeric>

#include "runtime/test_memory.h"

namespace weft::runtime {
namespace {

using text::TokenId;

std::vector<TokenId> block_with(TokenId first) {
  std::vector<TokenId> out(kBlockPositions);
  std::iota(out.begin(), out.end(), first);
  return out;
}

struct TreeWorld {
  explicit TreeWorld(int blocks, size_t spill_max = 0)
      : pool(blocks), memory(blocks, spill_max), tree(pool, memory), root(tree.enter("")) {}
  // A path of one block behind `parent`, used by nobody afterwards.
  PrefixTree::Node grow(PrefixTree::Node parent, TokenId first) {
    BlockId block = pool.take();
    memory.at(block)[0] = static_cast<uint64_t>(first);
    const auto node = tree.insert(parent, block_with(first), block);
    tree.release(block);
    return node;
  }
  BlockPool pool;
  TestMemory memory;
  PrefixTree tree;
  PrefixTree::Node root;
};

TEST(PrefixTree, FindsWhatWasPutThere) {
  TreeWorld w(4);
  const auto a = w.grow(w.root, 100);
  const auto b = w.grow(a, 200);
  EXPECT_EQ(w.tree.find(w.root, block_with(100)), a);
  EXPECT_EQ(w.tree.find(a, block_with(200)), b);
  EXPECT_EQ(w.tree.find(w.root, block_with(200)), -1);
  EXPECT_EQ(w.tree.evictable(), 2);
  const BlockId used = w.tree.use(a).value();
  EXPECT_EQ(w.tree.evictable(), 1);
  EXPECT_EQ(w.memory.at(used)[0], 100u);
  auto tokens = block_with(100);
  tokens[20] = 7;
  EXPECT_EQ(w.tree.begins_alike(w.root, tokens).tokens, 20);
  EXPECT_EQ(w.tree.begins_alike(w.root, std::span(tokens).first(5)).tokens, 5);
  EXPECT_EQ(w.tree.begins_alike(w.root, block_with(9)).tokens, 0);
  w.tree.release(used);
  w.tree.clear();
  EXPECT_EQ(w.pool.free(), 4);
  EXPECT_EQ(w.tree.blocks(), 0);
}

TEST(PrefixTree, OneBlockForOneText) {
  TreeWorld w(4);
  const auto a = w.grow(w.root, 100);
  BlockId mine = w.pool.take();
  EXPECT_EQ(w.pool.free(), 2);
  EXPECT_EQ(w.tree.insert(w.root, block_with(100), mine), a);
  EXPECT_EQ(w.pool.free(), 3);  // mine was given back
  EXPECT_EQ(w.pool.references(mine), 2);
  w.tree.release(mine);
  EXPECT_EQ(w.tree.evictable(), 1);
}

TEST(PrefixTree, EvictsTheLongestUnusedLeafFirst) {
  TreeWorld w(4);
  const auto a = w.grow(w.root, 100);
  const auto b = w.grow(a, 200);
  const auto c = w.grow(w.root, 300);
  w.tree.release(w.tree.use(b).value());  // c is now the one used longest ago
  EXPECT_TRUE(w.tree.evict());
  EXPECT_EQ(w.tree.find(w.root, block_with(300)), -1);
  (void)c;
  EXPECT_TRUE(w.tree.evict());  // not a, which b continues
  EXPECT_EQ(w.tree.find(a, block_with(200)), -1);
  const BlockId held = w.tree.use(a).value();
  EXPECT_FALSE(w.tree.evict());
  w.tree.release(held);
  EXPECT_TRUE(w.tree.evict());
  EXPECT_EQ(w.pool.free(), 4);
}

TEST(PrefixTree, SaltsShareNothing) {
  TreeWorld w(4);
  w.grow(w.root, 100);
  const auto other = w.tree.enter("tenant b");
  EXPECT_EQ(w.tree.find(other, block_with(100)), -1);
  w.grow(other, 100);
  EXPECT_EQ(w.tree.blocks(), 2);
  w.tree.leave(other);
  EXPECT_EQ(w.tree.enter("tenant b"), other);  // blocks keep it
  w.tree.leave(other);
  w.tree.clear();
  EXPECT_DEATH(w.tree.leave(other), "gone");
}

TEST(PrefixTree, BringsSpilledBlocksBack) {
  TreeWorld w(2, 2);
  const auto a = w.grow(w.root, 100);
  const auto b = w.grow(a, 200);
  EXPECT_TRUE(w.tree.evict());
  EXPECT_TRUE(w.tree.evict());
  EXPECT_EQ(w.tree.spilled(), 2);
  EXPECT_EQ(w.pool.free(), 2);
  EXPECT_EQ(w.tree.find(w.root, block_with(100)), a);
  EXPECT_FALSE(w.tree.in_memory(a));
  const BlockId first = w.tree.use(a).value();
  EXPECT_EQ(w.memory.at(first)[0], 100u);
  const BlockId second = w.tree.use(b).value();
  EXPECT_EQ(w.memory.at(second)[0], 200u);
  EXPECT_EQ(w.tree.stats().restored, 2);
  EXPECT_EQ(w.memory.spilled(), 0u);
  w.tree.release(first);
  w.tree.release(second);
  w.tree.clear();
  EXPECT_EQ(w.pool.free(), 2);
}

TEST(PrefixTree, ForgetsDamagedBlocksWithWhatContinuesThem) {
  TreeWorld w(2, 2);
  const auto a = w.grow(w.root, 100);
  w.grow(a, 200);
  w.tree.evict();
  w.tree.evict();
  w.memory.damaged.insert(w.memory.newest_ticket());  // of a
  EXPECT_FALSE(w.tree.use(a).has_value());
  EXPECT_EQ(w.tree.stats().damaged, 1);
  EXPECT_EQ(w.tree.spilled(), 0);
  EXPECT_EQ(w.memory.spilled(), 0u);
  EXPECT_EQ(w.pool.free(), 2);
  EXPECT_EQ(w.tree.find(w.root, block_with(100)), -1);
}

TEST(PrefixTree, AFullFileKeepsWhatWasUsedLast) {
  TreeWorld w(1, 2);
  for (const TokenId first : {100, 200, 300}) {
    w.grow(w.root, first);
    EXPECT_TRUE(w.tree.evict());
  }
  EXPECT_EQ(w.tree.spilled(), 2);
  EXPECT_EQ(w.tree.find(w.root, block_with(100)), -1);
  EXPECT_GE(w.tree.find(w.root, block_with(300)), 0);
}

}  // namespace
}  // namespace weft::runtime
