// SPDX-License-Identifier: Apache-2.0
//
// Which full blocks of the KV cache hold the beginning of which text: a radix tree whose edges are
// 32 tokens each, so that a path from the root spells a text and its nodes hold its keys and
// values. A sequence that begins alike takes the blocks instead of computing them.
//
// The tree owns one reference to every block in it; sequences own others. A block that only the
// tree holds may be evicted, the one used longest ago first and never before those that continue
// it. An evicted block may leave its contents with BlockMemory (a file): its node stays, and the
// block comes back when somebody asks for it, unless it is found damaged: then it is recomputed.
//
// Texts of different salts share nothing: each salt has a root of its own. What lies in a block
// depends on its tokens and those before it only (the engine's promise of determinism), so that a
// shared block has the bits that its taker would have computed.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "runtime/block_pool.h"
#include "text/token.h"

namespace weft::runtime {

class PrefixTree {
 public:
  using Node = int32_t;
  struct Stats {
    int64_t evicted = 0;
    int64_t spilled = 0;
    int64_t restored = 0;
    int64_t damaged = 0;  // spilled blocks that could not be brought back
  };
  struct Partial {
    BlockId block = -1;
    int tokens = 0;  // of the block's 32 that begin alike
  };

  // Both outlive the tree.
  PrefixTree(BlockPool& pool, BlockMemory& memory) : pool_(pool), memory_(memory) {}

  // Where texts of this salt begin; valid until leave() has been called as often as enter().
  Node enter(const std::string& salt);
  void leave(Node root);
  // The node behind `parent` whose 32 tokens these are, in memory or spilled; -1: none.
  Node find(Node parent, std::span<const text::TokenId> tokens) const;
  // The block in memory behind `parent` that begins with most of `tokens` (up to 32 of them).
  Partial begins_alike(Node parent, std::span<const text::TokenId> tokens) const;

  // One more reference to the node's block, which the caller gives back by release(). A spilled one
  // is brought back, which takes a free block; nothing if it is lost, and the node with it.
  std::optional<BlockId> use(Node node);
  bool in_memory(Node node) const { return at(node).block >= 0; }
  // `block`, owned by the caller, holds these 32 tokens behind `parent`. Returns the node; where
  // there was one in memory already, `block` becomes that one's and the caller's is given back.
  Node insert(Node parent, std::span<const text::TokenId> tokens, BlockId& block);
  // Gives back a reference to any block, in the tree or not.
  void release(BlockId block);

  // Frees the block used longest ago of those that nobody uses. False: there is none.
  bool evict();
  int evictable() const { return evictable_; }  // blocks that only the tree holds
  bool is_evictable(Node node) const {
    return at(node).block >= 0 && pool_.references(at(node).block) == 1;
  }
  int blocks() const { return blocks_; }        // in memory
  int spilled() const { return spilled_; }
  void clear();                                 // evicts all that nobody uses, spilled ones too
  const Stats& stats() const { return stats_; }

 private:
  using Key = std::array<text::TokenId, kBlockPositions>;
  struct Entry {
    Node parent = -1;
    Key tokens{};
    BlockId block = -1;    // -1: spilled, or a root
    int64_t ticket = -1;   // of spilled contents
    int64_t used = 0;      // when, by count of uses
    int in_memory = 0;     // children with a block
    std::map<Key, Node> children;
    bool live = false;
    int visitors = 0;      // of a root
    std::string salt;      // of a root
  };
  // Least recently used first.
  using Order = std::set<std::pair<int64_t, Node>>;

  const Entry& at(Node node) const;
  Entry& at(Node node);
  Node add(Node parent, const Key& tokens);
  void place(Node node, BlockId block);   // the node has a block again
  void displace(Node node);               // and no longer
  void touch(Node node);
  void list(Node node);                   // into the order it belongs to, out of the other
  void unlist(Node node);
  bool drop_spilled();
  void drop_root_if_unused(Node root);
  void remove(Node node);                 // with everything below; no block in memory there

  BlockPool& pool_;
  BlockMemory& memory_;
  std::vector<Entry> entries_;
  std::vector<Node> unused_;
  std::map<std::string, Node> roots_;
  std::map<BlockId, Node> node_of_;
  Order idle_;     // in memory, used by nobody, nothing in memory behind them
  Order asleep_;   // spilled, nothing behind them
  int64_t uses_ = 0;
  int blocks_ = 0;
  int spilled_ = 0;
  int evictable_ = 0;
  Stats stats_;
};

}  // namespace weft::runtime
