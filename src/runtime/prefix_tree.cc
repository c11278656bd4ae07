// SPDX-License-Identifier: Apache-2.0
#include "runtime/prefix_tree.h"

#include <algorithm>

namespace weft::runtime {
namespace {

using text::TokenId;

int common_tokens(std::span<const TokenId> a, std::span<const TokenId> b) {
  const size_t most = std::min(a.size(), b.size());
  size_t count = 0;
  while (count < most && a[count] == b[count]) ++count;
  return static_cast<int>(count);
}

}  // namespace

const PrefixTree::Entry& PrefixTree::at(Node node) const {
  CHECK(node >= 0 && node < std::ssize(entries_), "node {}", node);
  const Entry& entry = entries_[static_cast<size_t>(node)];
  CHECK(entry.live, "node {} is gone", node);
  return entry;
}

PrefixTree::Entry& PrefixTree::at(Node node) {
  return const_cast<Entry&>(std::as_const(*this).at(node));
}

PrefixTree::Node PrefixTree::add(Node parent, const Key& tokens) {
  Node node = static_cast<Node>(entries_.size());
  if (unused_.empty()) {
    entries_.emplace_back();
  } else {
    node = unused_.back();
    unused_.pop_back();
  }
  Entry& entry = entries_[static_cast<size_t>(node)];
  CHECK(!entry.live && entry.children.empty(), "node {}", node);
  entry = {};
  entry.parent = parent;
  entry.tokens = tokens;
  entry.live = true;
  return node;
}

PrefixTree::Node PrefixTree::enter(const std::string& salt) {
  const auto known = roots_.find(salt);
  Node root = known != roots_.end() ? known->second : -1;
  if (root < 0) {
    root = roots_[salt] = add(-1, {});
    at(root).salt = salt;
  }
  ++at(root).visitors;
  return root;
}

void PrefixTree::leave(Node root) {
  CHECK(at(root).parent < 0 && at(root).visitors > 0, "node {}", root);
  --at(root).visitors;
  drop_root_if_unused(root);
}

// Salts are the callers' to choose: a root for each that ever was would grow without bound.
void PrefixTree::drop_root_if_unused(Node root) {
  Entry& entry = at(root);
  if (entry.parent >= 0 || entry.visitors > 0 || !entry.children.empty()) return;
  roots_.erase(entry.salt);
  entry.live = false;
  unused_.push_back(root);
}

PrefixTree::Node PrefixTree::find(Node parent, std::span<const TokenId> tokens) const {
  CHECK(tokens.size() == kBlockPositions, "{} tokens", tokens.size());
  Key key;
  std::ranges::copy(tokens, key.begin());
  const auto& children = at(parent).children;
  const auto child = children.find(key);
  return child == children.end() ? -1 : child->second;
}

// Children are sorted by their tokens, so those that begin most alike stand next to where these
// tokens would; spilled ones between them are passed over, a few.
PrefixTree::Partial PrefixTree::begins_alike(Node parent, std::span<const TokenId> tokens) const {
  constexpr int kNeighbours = 4;
  Key key;
  key.fill(-1);
  std::copy_n(tokens.begin(), std::min(tokens.size(), key.size()), key.begin());
  const auto& children = at(parent).children;
  const auto place = children.lower_bound(key);
  Partial best;
  const auto consider = [&](const std::pair<const Key, Node>& child) {
    const int count = common_tokens(child.first, tokens);
    if (count > best.tokens && in_memory(child.second)) best = {at(child.second).block, count};
  };
  auto next = place;
  for (int i = 0; i < kNeighbours && next != children.end(); ++i) consider(*next++);
  auto before = place;
  for (int i = 0; i < kNeighbours && before != children.begin(); ++i) consider(*--before);
  return best;
}

void PrefixTree::unlist(Node node) {
  const Entry& entry = at(node);
  idle_.erase({entry.used, node});
  asleep_.erase({entry.used, node});
}

void PrefixTree::list(Node node) {
  const Entry& entry = at(node);
  if (entry.parent < 0) return;
  if (entry.block >= 0) {
    if (pool_.references(entry.block) == 1 && entry.in_memory == 0) {
      idle_.emplace(entry.used, node);
    }
  } else if (entry.children.empty()) {
    asleep_.emplace(entry.used, node);
  }
}

void PrefixTree::touch(Node node) {
  unlist(node);
  at(node).used = ++uses_;
}

void PrefixTree::place(Node node, BlockId block) {
  Entry& entry = at(node);
  CHECK(entry.block < 0 && entry.parent >= 0, "node {} has block {}", node, entry.block);
  CHECK(node_of_.emplace(block, node).second, "block {} stands in the tree twice", block);
  unlist(node);
  unlist(entry.parent);
  entry.block = block;
  ++blocks_;
  ++at(entry.parent).in_memory;
}

void PrefixTree::displace(Node node) {
  Entry& entry = at(node);
  CHECK(entry.block >= 0 && entry.in_memory == 0, "node {}", node);
  unlist(node);
  node_of_.erase(entry.block);
  entry.block = -1;
  --blocks_;
  --at(entry.parent).in_memory;
  CHECK(at(entry.parent).in_memory >= 0, "node {}", entry.parent);
}

std::optional<BlockId> PrefixTree::use(Node node) {
  touch(node);
  Entry& entry = at(node);
  if (entry.block >= 0) {
    if (pool_.references(entry.block) == 1) --evictable_;
    pool_.share(entry.block);
    return entry.block;
  }
  CHECK(entry.ticket >= 0, "node {} has neither block nor ticket", node);
  const BlockId block = pool_.take();
  if (!memory_.restore(entry.ticket, block)) {
    ++stats_.damaged;
    pool_.release(block);
    remove(node);
    return std::nullopt;
  }
  ++stats_.restored;
  memory_.forget(entry.ticket);
  entry.ticket = -1;
  --spilled_;
  place(node, block);
  pool_.share(block);
  return block;
}

PrefixTree::Node PrefixTree::insert(Node parent, std::span<const TokenId> tokens,
                                    BlockId& block) {
  CHECK(pool_.references(block) > 0 && !node_of_.contains(block), "block {}", block);
  Node node = find(parent, tokens);
  if (node >= 0 && in_memory(node)) {
    const BlockId known = use(node).value();
    pool_.release(block);
    block = known;
    return node;
  }
  if (node < 0) {
    Key key;
    std::ranges::copy(tokens, key.begin());
    node = add(parent, key);
    unlist(parent);
    at(parent).children.emplace(key, node);
  } else {
    memory_.forget(at(node).ticket);  // computed again meanwhile
    at(node).ticket = -1;
    --spilled_;
  }
  touch(node);
  place(node, block);
  pool_.share(block);
  return node;
}

void PrefixTree::release(BlockId block) {
  const auto known = node_of_.find(block);
  if (known == node_of_.end()) return pool_.release(block);
  CHECK(pool_.references(block) > 1, "the tree's own reference to block {} is given back", block);
  pool_.release(block);
  if (pool_.references(block) > 1) return;
  ++evictable_;
  touch(known->second);
  list(known->second);
}

bool PrefixTree::evict() {
  if (idle_.empty()) {
    CHECK(evictable_ == 0, "{} blocks are idle and none can be evicted", evictable_);
    return false;
  }
  const Node node = idle_.begin()->second;
  const BlockId block = at(node).block;
  const Node parent = at(node).parent;
  CHECK(pool_.references(block) == 1, "block {} is in use", block);
  std::optional<int64_t> ticket = memory_.spill(block);
  // The file is full: what has slept longest makes room.
  while (!ticket && spilled_ > 0 && drop_spilled()) ticket = memory_.spill(block);
  displace(node);
  --evictable_;
  ++stats_.evicted;
  pool_.release(block);
  if (ticket) {
    at(node).ticket = *ticket;
    ++spilled_;
    ++stats_.spilled;
    list(node);
    list(parent);
  } else {
    remove(node);
  }
  return true;
}

bool PrefixTree::drop_spilled() {
  if (asleep_.empty()) return false;
  const Node node = asleep_.begin()->second;
  CHECK(at(node).block < 0 && at(node).children.empty(), "node {}", node);
  remove(node);
  return true;
}

// Below a node without a block there is none in memory, so everything below is spilled: a path of
// the tree, whose length the context bounds. By a list, not by recursion.
void PrefixTree::remove(Node node) {
  const Node parent = at(node).parent;
  CHECK(parent >= 0, "a root is not removed");
  unlist(node);
  at(parent).children.erase(at(node).tokens);
  std::vector<Node> gone = {node};
  while (!gone.empty()) {
    const Node next = gone.back();
    gone.pop_back();
    Entry& entry = at(next);
    CHECK(entry.block < 0 && entry.in_memory == 0, "node {} has block {}", next, entry.block);
    unlist(next);
    for (const auto& [key, child] : entry.children) gone.push_back(child);
    entry.children.clear();
    if (entry.ticket >= 0) {
      memory_.forget(entry.ticket);
      --spilled_;
    }
    entry.live = false;
    unused_.push_back(next);
  }
  unlist(parent);
  list(parent);
  drop_root_if_unused(parent);
}

void PrefixTree::clear() {
  while (!idle_.empty()) {
    const Node node = idle_.begin()->second;
    const BlockId block = at(node).block;
    displace(node);
    --evictable_;
    pool_.release(block);
    remove(node);
  }
  while (drop_spilled()) {
  }
}

}  // namespace weft::runtime
