// SPDX-License-Identifier: Apache-2.0
#include "runtime/scheduler.h"

#include <algorithm>

namespace weft::runtime {
namespace {

using text::TokenId;

// The part of a prompt that is computed before older prompts get more. A short question is
// answered within a tick or two, and a long prompt loses at most this per younger request.
constexpr int kFirstShare = 32;
// Fewer positions are computed sooner than their block is copied.
constexpr int kCopyMin = 4;

int alike(std::span<const TokenId> a, std::span<const TokenId> b) {
  const size_t most = std::min(a.size(), b.size());
  return static_cast<int>(std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(most),
                                        b.begin()).first - a.begin());
}

}  // namespace

Scheduler::Scheduler(SchedulerLimits limits, BlockPool& pool, BlockMemory& memory)
    : limits_(limits), pool_(pool), memory_(memory), tree_(pool, memory) {
  CHECK(limits.tokens_per_tick > 0, "tokens_per_tick={}", limits.tokens_per_tick);
  CHECK(limits.sequences_max > 0, "sequences_max={}", limits.sequences_max);
}

const Scheduler::Sequence& Scheduler::sequence(SequenceId id) const {
  const auto at = sequences_.find(id);
  CHECK(at != sequences_.end(), "sequence {} is unknown", id);
  return at->second;
}

Scheduler::Sequence& Scheduler::sequence(SequenceId id) {
  return const_cast<Sequence&>(std::as_const(*this).sequence(id));
}

void Scheduler::add(SequenceId id, NewSequence added) {
  const auto prompt = static_cast<int>(added.prompt.size());
  CHECK(prompt > 0 && prompt <= added.tokens_max, "prompt={} tokens_max={}", prompt,
        added.tokens_max);
  CHECK(fits(added.tokens_max), "tokens_max={} blocks={}", added.tokens_max, pool_.size());
  CHECK(std::abs(added.priority) <= kPriorityMax, "priority={}", added.priority);
  CHECK(!sequences_.contains(id), "sequence {} is added twice", id);
  Sequence s;
  s.tokens = std::move(added.prompt);
  s.prompt = prompt;
  s.tokens_max = added.tokens_max;
  s.key = tick_ - added.priority * kAgingTicks;
  s.root = s.node = tree_.enter(added.salt);
  queue_.emplace(s.key, id);
  sequences_.emplace(id, std::move(s));
}

void Scheduler::append(SequenceId id, TokenId token, bool computed) {
  Sequence& s = sequence(id);
  CHECK(s.planned == 0, "sequence {} grows in the middle of a tick", id);
  CHECK(s.length() < s.tokens_max, "sequence {} grows beyond its {} tokens", id, s.tokens_max);
  CHECK(!computed || s.pending() == 0, "sequence {}: a row behind {} pending ones", id,
        s.pending());
  s.tokens.push_back(token);
  if (!computed) return;
  ++s.computed;
  s.reached = std::max(s.reached, s.computed);
  CHECK(blocks_for(s.computed) <= std::ssize(s.blocks), "sequence {}: no such row", id);
}

void Scheduler::propose(SequenceId id, int count) {
  CHECK(count >= 0, "count={}", count);
  Sequence& s = sequence(id);
  CHECK(s.planned == 0, "sequence {} guesses in the middle of a tick", id);
  s.proposed = count;
}

void Scheduler::remove(SequenceId id) {
  Sequence& s = sequence(id);
  CHECK(s.planned == 0, "sequence {} is removed in the middle of a tick", id);
  CHECK(s.admitted || s.blocks.empty(), "sequence {} waits with blocks", id);
  settle(s);
  give_back(s);
  tree_.leave(s.root);
  CHECK((s.admitted ? order_ : queue_).erase({s.key, id}) == 1, "sequence {} is in no queue", id);
  sequences_.erase(id);
}

// Full blocks become the tree's, so that others find them. One that another sequence has put there
// before takes the place of ours: both hold the same bits.
void Scheduler::settle(Sequence& s) {
  if (!limits_.share_prefixes) return;
  while ((s.in_tree + 1) * kBlockPositions <= s.computed) {
    BlockId& block = s.blocks.at(static_cast<size_t>(s.in_tree));
    s.node = tree_.insert(s.node, s.next().first(kBlockPositions), block);
    ++s.in_tree;
  }
  CHECK(s.in_tree <= std::ssize(s.blocks), "{} of {} blocks", s.in_tree, s.blocks.size());
  CHECK(s.computed - s.in_tree * kBlockPositions < kBlockPositions, "computed={}", s.computed);
}

void Scheduler::give_back(Sequence& s) {
  CHECK(s.in_tree <= std::ssize(s.blocks), "{} of {} blocks", s.in_tree, s.blocks.size());
  CHECK(s.root >= 0, "a sequence without a root");
  for (const BlockId block : s.blocks) tree_.release(block);
  s.blocks.clear();
  s.computed = s.in_tree = s.planned = s.drafts = s.proposed = s.expected_shared = 0;
  s.node = s.root;
}

// A block taken for guesses that proved wrong stands where the tree's may come.
void Scheduler::give_back_unused(Sequence& s) {
  CHECK(s.planned == 0, "blocks are given back in the middle of a tick");
  while (std::ssize(s.blocks) > blocks_for(s.computed)) {
    CHECK(pool_.references(s.blocks.back()) == 1, "an unused block is shared");
    tree_.release(s.blocks.back());
    s.blocks.pop_back();
  }
}

void Scheduler::preempt(Rank rank) {
  Sequence& s = sequence(rank.second);
  CHECK(s.admitted, "sequence {} waits", rank.second);
  settle(s);
  give_back(s);
  s.admitted = false;
  CHECK(order_.erase(rank) == 1 && queue_.insert(rank).second, "sequence {}", rank.second);
  CHECK(s.blocks.empty() && s.pending() == s.length(), "sequence {}", rank.second);
  preempted_.push_back(rank.second);
  ++preemptions_;
}

// -- admission

// Blocks that the sequence will still take, as far as its tokens are known.
int Scheduler::needed(const Sequence& s) const {
  CHECK(s.length() > 0 && s.length() <= s.tokens_max, "length={}", s.length());
  CHECK(s.expected_shared >= 0 && s.expected_shared <= blocks_for(s.length()));
  const auto have = std::max(static_cast<int>(s.blocks.size()), s.expected_shared);
  return std::max(0, blocks_for(s.length()) - have);
}

// Is there room for all that is known of the sequence, beside what those admitted still need, and
// one more block for each of these? Blocks are not reserved: if they grow beyond, the last in rank
// is preempted.
bool Scheduler::room_for(Sequence& s) {
  CHECK(!s.admitted && s.blocks.empty(), "a sequence is admitted twice");
  s.expected_shared = 0;
  if (order_.empty()) return true;
  int available = pool_.free() + tree_.evictable() - admitted();
  for (const auto& [key, id] : order_) available -= needed(sequence(id));
  if (limits_.share_prefixes) {
    int depth = 0;
    PrefixTree::Node node = s.root;
    while ((depth + 1) * kBlockPositions < s.length()) {
      const auto at = std::span(s.tokens).subspan(static_cast<size_t>(depth) * kBlockPositions,
                                                  kBlockPositions);
      node = tree_.find(node, at);
      if (node < 0 || !tree_.in_memory(node)) break;
      if (tree_.is_evictable(node)) --available;
      ++depth;
    }
    for (const auto& [key, id] : order_) {
      const Sequence& other = sequence(id);
      if (other.root != s.root) continue;
      depth = std::max(depth, alike(other.tokens, s.tokens) / kBlockPositions);
    }
    s.expected_shared = depth;
  }
  CHECK(available <= pool_.size(), "available={}", available);
  return needed(s) <= available;
}

// Preempts the last in rank for a sequence before it; false if that cannot help.
bool Scheduler::make_room_for(const Rank& rank) {
  CHECK(queue_.contains(rank), "sequence {} does not wait", rank.second);
  if (order_.empty() || *order_.rbegin() < rank) return false;
  std::vector<bool> held(static_cast<size_t>(pool_.size()));
  int kept = 0;
  for (const Rank& before : order_) {
    if (rank < before) break;
    for (const BlockId block : sequence(before.second).blocks) {
      if (!held[static_cast<size_t>(block)]) ++kept;
      held[static_cast<size_t>(block)] = true;
    }
    kept += needed(sequence(before.second)) + 1;
  }
  if (kept + blocks_for(sequence(rank.second).length()) > pool_.size() && kept > 0) return false;
  CHECK(rank < *order_.rbegin(), "sequence {} is not the last", order_.rbegin()->second);
  preempt(*order_.rbegin());
  return true;
}

// Strictly by rank: a small request does not overtake a large one that waits for blocks, or the
// large one could wait for ever.
void Scheduler::admit() {
  while (!queue_.empty()) {
    const Rank first = *queue_.begin();
    if (admitted() < limits_.sequences_max && room_for(sequence(first.second))) {
      admit_first();
    } else if (!make_room_for(first)) {
      return;
    }
    CHECK(admitted() <= limits_.sequences_max, "admitted={}", admitted());
  }
}

void Scheduler::admit_first() {
  CHECK(!queue_.empty(), "nobody waits");
  const Rank first = *queue_.begin();
  Sequence& s = sequence(first.second);
  CHECK(!s.admitted && s.blocks.empty() && s.computed == 0, "sequence {}", first.second);
  s.admitted = true;
  queue_.erase(queue_.begin());
  order_.insert(first);
}

// Makes sure that a block is free for the sequence of this rank; false if all are held by those
// before it.
bool Scheduler::free_block(const Rank& rank) {
  CHECK(order_.contains(rank), "sequence {} is not admitted", rank.second);
  while (pool_.free() == 0) {
    if (tree_.evict()) continue;
    CHECK(!order_.empty());
    if (!(rank < *order_.rbegin())) return false;
    preempt(*order_.rbegin());
  }
  return true;
}

// -- prefixes

void Scheduler::shared(Sequence& s, int count) {
  CHECK(count > 0 && s.computed + count < s.length(), "{} of {}", s.computed + count, s.length());
  s.computed += count;
  const int from = std::min(std::max(s.reached, s.computed - count), s.prompt);
  s.cached += std::max(0, std::min(s.computed, s.prompt) - from);
  s.reached = std::max(s.reached, s.computed);
  CHECK(s.cached < s.prompt || s.length() > s.prompt, "cached={}", s.cached);
}

// Takes over what the tree has, or a copy of a block that begins alike. True: another sequence is
// just computing more of it, which is worth waiting for.
bool Scheduler::share(const Rank& rank) {
  Sequence& s = sequence(rank.second);
  CHECK(s.admitted && s.planned == 0, "sequence {}", rank.second);
  if (!limits_.share_prefixes) return false;
  while (s.computed == s.in_tree * kBlockPositions && s.pending() >= 2) {
    if (share_full(rank, s)) continue;
    return share_begun(rank, s);
  }
  return false;
}

bool Scheduler::share_full(const Rank& rank, Sequence& s) {
  // At least one row is computed: it gives the logits of the next token.
  if (s.computed + kBlockPositions >= s.length()) return false;
  const auto tokens = s.next().first(kBlockPositions);
  PrefixTree::Node node = tree_.find(s.node, tokens);
  if (node < 0) return false;
  if (!tree_.in_memory(node)) {
    if (!free_block(rank)) return false;
    node = tree_.find(s.node, tokens);  // making room may have dropped it
    if (node < 0) return false;
  }
  const auto block = tree_.use(node);
  if (!block) return false;
  CHECK(pool_.references(*block) >= 2, "block {} is the tree's too", *block);
  CHECK(std::ssize(s.blocks) == s.in_tree, "sequence {}", rank.second);
  s.blocks.push_back(*block);
  s.node = node;
  ++s.in_tree;
  shared(s, kBlockPositions);
  return true;
}

// Will a sequence before this one in rank soon have clearly more than `have` positions of the
// block that comes next?
bool Scheduler::better_comes(const Rank& rank, const Sequence& s, int have) const {
  CHECK(have >= 0 && have <= kBlockPositions, "have={}", have);
  CHECK(s.computed == s.in_tree * kBlockPositions, "computed={}", s.computed);
  const int most = std::min(kBlockPositions, s.length() - 1 - s.computed);
  for (const Rank& before : order_) {
    if (!(before < rank)) return false;
    const Sequence& other = sequence(before.second);
    if (other.node != s.node || other.pending() == 0) continue;
    const int count = std::min(most, alike(other.next(), s.next()));
    const bool there = other.computed - s.computed >= count;
    if (!there && count >= have + kCopyMin) return true;
  }
  return false;
}

bool Scheduler::share_begun(const Rank& rank, Sequence& s) {
  const int most = std::min(kBlockPositions, s.length() - 1 - s.computed);
  if (most < kCopyMin) return false;
  // First the room: to make it may take away what would be copied from.
  if (!free_block(rank)) return false;
  PrefixTree::Partial best = tree_.begins_alike(s.node, s.next());
  best.tokens = std::min(best.tokens, most);
  for (const auto& [key, id] : order_) {
    const Sequence& other = sequence(id);
    const auto own = static_cast<size_t>(other.in_tree);
    if (other.node != s.node || &other == &s || other.blocks.size() <= own) continue;
    const int there = std::min(other.computed - s.computed, most);
    const int count = std::min(there, alike(other.next(), s.next()));
    if (count > best.tokens) best = {other.blocks[own], count};
  }
  if (better_comes(rank, s, best.tokens)) return true;
  if (best.tokens < kCopyMin) return false;
  const BlockId copy = pool_.take();
  CHECK(best.block >= 0 && best.block != copy, "block {}", best.block);
  CHECK(std::ssize(s.blocks) == s.in_tree, "sequence {}", rank.second);
  memory_.copy(best.block, copy);
  ++copies_;
  s.blocks.push_back(copy);
  shared(s, best.tokens);
  return false;
}

// -- the next tick

int Scheduler::grant(const Rank& rank, int rows) {
  Sequence& s = sequence(rank.second);
  CHECK(s.admitted && s.drafts == 0, "sequence {}", rank.second);
  int granted = std::min(rows, s.pending());
  CHECK(granted >= 0, "sequence {} computes more than it knows", rank.second);
  while (std::ssize(s.blocks) < blocks_for(s.computed + s.planned + granted)) {
    if (!free_block(rank)) {
      granted = static_cast<int>(s.blocks.size()) * kBlockPositions - s.computed - s.planned;
      break;
    }
    s.blocks.push_back(pool_.take());
  }
  CHECK(granted >= 0, "sequence {}", rank.second);
  s.planned += granted;
  return granted;
}

void Scheduler::grant_all() {
  // Granting may preempt those behind, so the ranks are copied and looked up again.
  const std::vector<Rank> ranks(order_.begin(), order_.end());
  for (const Rank& rank : ranks) {
    if (order_.contains(rank)) sequence(rank.second).waits = share(rank);
  }
  int budget = limits_.tokens_per_tick;
  // The budget counts what was granted, also to one that is preempted later in this tick.
  const auto spend = [&](const Rank& rank, int rows) { budget -= grant(rank, rows); };
  for (const Rank& rank : ranks) {
    if (!order_.contains(rank)) continue;
    const Sequence& s = sequence(rank.second);
    // Every decoding sequence gets its row even beyond the budget: none may starve.
    if (s.decoding() && !s.waits) spend(rank, std::max(1, std::min(budget, kFirstShare)));
  }
  budget = std::max(budget, 1);  // nor the first prompt
  for (const int share : {kFirstShare, limits_.tokens_per_tick}) {
    for (const Rank& rank : ranks) {
      if (budget <= 0) break;
      if (order_.contains(rank) && !sequence(rank.second).waits) {
        spend(rank, std::min(budget, share));
      }
    }
  }
  grant_drafts(budget);
}

// Guesses take what nobody needs: neither rows of others nor blocks of others.
void Scheduler::grant_drafts(int budget) {
  for (const auto& [key, id] : order_) {
    Sequence& s = sequence(id);
    const int wanted = s.proposed;
    if (wanted == 0 || s.planned == 0 || s.pending() > 0) continue;
    int drafts = std::min({wanted, budget, s.tokens_max - s.length() - 1});
    while (drafts > 0 && std::ssize(s.blocks) < blocks_for(s.computed + s.planned + drafts)) {
      if (pool_.free() == 0 && !tree_.evict()) {
        drafts = static_cast<int>(s.blocks.size()) * kBlockPositions - s.computed - s.planned;
        break;
      }
      s.blocks.push_back(pool_.take());
    }
    CHECK(s.drafts == 0 && drafts <= wanted, "sequence {}", id);
    s.drafts = std::max(drafts, 0);
    s.planned += s.drafts;
    budget -= s.drafts;
  }
}

std::vector<Slice> Scheduler::plan() {
  ++tick_;
  preempted_.clear();
  for (auto& [id, s] : sequences_) {
    CHECK(s.planned == 0, "sequence {}: no done()", id);
    if (!s.admitted) continue;
    settle(s);
    give_back_unused(s);
  }
  admit();
  CHECK(sequences_.size() == order_.size() + queue_.size(), "a sequence is in no queue, or in two");
  CHECK(admitted() <= limits_.sequences_max, "admitted={}", admitted());
  grant_all();
  for (auto& [id, s] : sequences_) s.proposed = 0;
  std::vector<Slice> out;
  for (const auto& [key, id] : order_) {
    const Sequence& s = sequence(id);
    if (s.planned == 0) continue;
    out.push_back({id, s.computed, s.planned, s.pending() == 0, s.drafts});
    CHECK(s.computed + s.planned - s.drafts <= s.length(), "sequence {}", id);
    CHECK(s.drafts == 0 || s.pending() == 0, "sequence {} guesses behind unknown rows", id);
  }
  return out;
}

void Scheduler::done(const std::vector<Slice>& slices) {
  for (const Slice& slice : slices) {
    Sequence& s = sequence(slice.id);
    CHECK(s.planned == slice.count && s.computed == slice.begin, "sequence {}", slice.id);
    s.computed += slice.count - slice.drafts;
    s.reached = std::max(s.reached, s.computed);
    s.planned = s.drafts = 0;
    CHECK(s.computed <= s.length(), "sequence {}", slice.id);
  }
}

}  // namespace weft::runtime
