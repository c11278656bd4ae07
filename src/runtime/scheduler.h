// SPDX-License-Identifier: Apache-2.0
//
// Which tokens go through the model in the next tick, and in which blocks their keys and values
// lie. No tensor, thread or clock; tokens are looked at only to see which texts begin alike. Time
// is the count of ticks. Pure bookkeeping, simulated from seeds.
//
// A sequence has `length` known tokens (prompt, generated, forced) and `computed` positions in the
// cache. Whatever is pending (length - computed) must go through the model; when nothing is left
// pending its last row gives the next token. Three numbers say its state:
//
//   waiting (no blocks) -> prefill (computed < prompt) -> decode -> removed
//        ^--- preempted: its blocks are needed by one before it in rank; computed again later
//
// Rank: a sequence of priority p counts as having arrived p * kAgingTicks ticks before it did. So
// everybody is first in the end, whoever comes later, and the first can always go on: blocks that
// only the prefix tree holds are evicted for it, then the last in rank are preempted.
//
// Prefixes: full blocks are shared through the tree (prefix_tree.h). Of a block that begins alike,
// a sequence takes a copy and goes on in it (copy on write, by positions). Where a sequence before
// it in rank is just computing what it needs, it waits for that: what two have in common is
// computed once. So n samples of one prompt cost one prompt and a row each.
//
// A tick takes decode rows first (someone reads along), then a first share of every prompt, then
// prompts in order of rank: a short request behind a long prompt answers after few ticks, and the
// rest stays in order. Which ticks a token shares with others never changes what is computed, only
// when.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "runtime/block_pool.h"
#include "runtime/prefix_tree.h"
#include "text/token.h"

namespace weft::runtime {

using SequenceId = int64_t;

struct SchedulerLimits {
  int tokens_per_tick = 256;  // rows of one forward pass; at least one row a decoding sequence
  int sequences_max = 64;     // admitted at once
  // False where a prefix cannot be taken over (recurrent states): nothing is shared or kept.
  bool share_prefixes = true;
};

// Rows of one sequence in a tick: positions [begin, begin + count).
struct Slice {
  SequenceId id = 0;
  int begin = 0;
  int count = 0;
  bool last = false;  // nothing stays pending: the last known row decides the next token
  int drafts = 0;     // of the rows, the last so many are guesses that still must prove true
  bool operator==(const Slice&) const = default;
};

struct NewSequence {
  std::vector<text::TokenId> prompt;  // at least one
  int tokens_max = 0;                 // the sequence never has more
  int priority = 0;                   // higher is served sooner
  std::string salt = {};              // prefixes are shared within one salt
};

class Scheduler {
 public:
  static constexpr int64_t kAgingTicks = 256;
  static constexpr int kPriorityMax = 1'000'000;  // and the least is minus that

  // `pool` and `memory` outlive the scheduler.
  Scheduler(SchedulerLimits limits, BlockPool& pool, BlockMemory& memory);

  // Blocks for `tokens` positions.
  static int blocks_for(int tokens) { return (tokens + kBlockPositions - 1) / kBlockPositions; }
  // Could a sequence of at most `tokens_max` tokens ever be admitted?
  bool fits(int tokens_max) const { return blocks_for(tokens_max) <= pool_.size(); }

  // fits(tokens_max) must hold.
  void add(SequenceId id, NewSequence added);
  // One more known token (generated or forced); `computed`: its row was a draft of the last tick,
  // and everything before it is computed too.
  void append(SequenceId id, text::TokenId token, bool computed = false);
  // Of the next plan only: `count` guesses behind the known tokens, as far as there is room.
  void propose(SequenceId id, int count);
  // Forgets the sequence in whatever state and gives its blocks back; full ones stay in the tree.
  void remove(SequenceId id);

  // Admits what fits, shares what is there, chooses the rows of the next tick and gives them
  // blocks. Empty = nothing to do. done() follows before the next plan.
  std::vector<Slice> plan();
  // The planned rows are in the cache (drafts too, though nobody knows yet what they are worth).
  void done(const std::vector<Slice>& slices);
  // Those that plan() sent back to wait: whatever else they hold is void.
  const std::vector<SequenceId>& preempted() const { return preempted_; }

  // The block of every 32 positions computed or planned.
  const std::vector<BlockId>& blocks(SequenceId id) const { return sequence(id).blocks; }
  // Prompt tokens that were there when it came to them first, instead of being computed.
  int cached(SequenceId id) const { return sequence(id).cached; }
  int waiting() const { return static_cast<int>(queue_.size()); }
  int admitted() const { return static_cast<int>(order_.size()); }
  bool is_admitted(SequenceId id) const { return sequence(id).admitted; }
  bool decoding(SequenceId id) const { return sequence(id).decoding(); }
  // Known tokens that have not gone through the model.
  int pending(SequenceId id) const { return sequence(id).pending(); }
  // Blocks that sequences hold, and those that only the tree keeps.
  int used() const { return pool_.size() - pool_.free() - tree_.evictable(); }
  const PrefixTree& tree() const { return tree_; }
  int64_t preemptions() const { return preemptions_; }
  int64_t copies() const { return copies_; }  // of blocks that began alike
  void drop_cache() { tree_.clear(); }

 private:
  struct Sequence {
    std::vector<text::TokenId> tokens;
    int prompt = 0;
    int computed = 0;
    int reached = 0;          // most that was ever computed or shared: what `cached` counts from
    int tokens_max = 0;
    int planned = 0;          // rows of the tick being planned or computed
    int proposed = 0;         // drafts asked for
    int drafts = 0;           // of the planned rows
    int cached = 0;
    int expected_shared = 0;  // blocks that others have or compute anyway, as of admission
    int64_t key = 0;          // of its rank
    bool admitted = false;
    bool waits = false;       // in this tick, for what another one computes
    PrefixTree::Node root = -1;
    PrefixTree::Node node = -1;  // behind its blocks that are in the tree
    int in_tree = 0;             // so many, the first ones
    std::vector<BlockId> blocks;
    int length() const { return static_cast<int>(tokens.size()); }
    int pending() const { return length() - computed - (planned - drafts); }
    bool decoding() const { return computed >= prompt; }
    // Tokens of the block that comes next in the tree.
    std::span<const text::TokenId> next() const {
      return std::span(tokens).subspan(static_cast<size_t>(in_tree) * kBlockPositions);
    }
  };
  // (key, id): first come, first served within a priority.
  using Rank = std::pair<int64_t, SequenceId>;

  const Sequence& sequence(SequenceId id) const;
  Sequence& sequence(SequenceId id);
  void admit();
  void admit_first();
  bool room_for(Sequence& s);
  bool make_room_for(const Rank& rank);
  int needed(const Sequence& s) const;
  void preempt(Rank rank);  // by value: it leaves the set that it comes from
  void give_back(Sequence& s);
  void give_back_unused(Sequence& s);
  bool free_block(const Rank& rank);
  void settle(Sequence& s);
  bool share(const Rank& rank);
  bool share_full(const Rank& rank, Sequence& s);
  bool share_begun(const Rank& rank, Sequence& s);
  bool better_comes(const Rank& rank, const Sequence& s, int have) const;
  void shared(Sequence& s, int count);
  // Plans up to `rows` more rows of the sequence; returns how many.
  int grant(const Rank& rank, int rows);
  void grant_drafts(int budget);
  void grant_all();

  SchedulerLimits limits_;
  BlockPool& pool_;
  BlockMemory& memory_;
  PrefixTree tree_;
  std::map<SequenceId, Sequence> sequences_;
  std::set<Rank> queue_;  // waiting
  std::set<Rank> order_;  // admitted
  std::vector<SequenceId> preempted_;
  int64_t tick_ = 0;
  int64_t preemptions_ = 0;
  int64_t copies_ = 0;
};

}  // namespace weft::runtime
