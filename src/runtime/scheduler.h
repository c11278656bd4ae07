// SPDX-License-Identifier: Apache-2.0
//
// Which tokens go through the model in the next tick. Knows sequences as lengths, blocks and
// budgets; no tensor, thread, clock or token value: pure bookkeeping, simulated from seeds.
//
// A sequence has `length` known tokens (prompt, generated, forced) and `computed` positions in the
// cache. Whatever is pending (length - computed) must go through the model; when nothing is left
// pending its last row gives the next token. Three numbers say its state:
//
//   waiting (no blocks promised) -> prefill (computed < prompt) -> decode -> removed
//
// A tick takes decode rows first (someone reads along), then a first share of every prompt, then
// prompts in order of arrival: a short request behind a long prompt answers after few ticks, and
// the rest stays first come, first served. Which ticks a token shares with others never changes
// what is computed, only when.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "runtime/block_pool.h"

namespace weft::runtime {

using SequenceId = int64_t;
constexpr int kBlockPositions = 32;

struct SchedulerLimits {
  int tokens_per_tick = 256;  // rows of one forward pass; at least one row a decoding sequence
  int sequences_max = 64;     // admitted at once
};

// Rows of one sequence in a tick: positions [begin, begin + count).
struct Slice {
  SequenceId id = 0;
  int begin = 0;
  int count = 0;
  bool last = false;  // nothing stays pending: the last row decides the next token
  bool operator==(const Slice&) const = default;
};

class Scheduler {
 public:
  // `pool` outlives the scheduler.
  Scheduler(SchedulerLimits limits, BlockPool& pool);

  // Blocks for `tokens` positions.
  static int blocks_for(int tokens) { return (tokens + kBlockPositions - 1) / kBlockPositions; }
  // Could a sequence of at most `tokens_max` tokens ever be admitted?
  bool fits(int tokens_max) const { return blocks_for(tokens_max) <= pool_.size(); }

  // A new sequence at the end of the queue: `prompt` known tokens, never more than `tokens_max`.
  // fits(tokens_max) must hold.
  void add(SequenceId id, int prompt, int tokens_max);
  // One more known token (generated or forced).
  void append(SequenceId id);
  // Forgets the sequence in whatever state and releases its blocks.
  void remove(SequenceId id);

  // Admits what fits, chooses the rows of the next tick and gives them blocks. Empty = nothing to
  // do. done() follows before the next plan.
  std::vector<Slice> plan();
  // The planned rows are in the cache.
  void done(const std::vector<Slice>& slices);

  // The block of every 32 positions computed or planned.
  const std::vector<BlockId>& blocks(SequenceId id) const { return sequence(id).blocks; }
  int waiting() const { return static_cast<int>(queue_.size()); }
  int admitted() const { return static_cast<int>(order_.size()); }

 private:
  struct Sequence {
    int prompt = 0;
    int length = 0;
    int computed = 0;
    int tokens_max = 0;
    int planned = 0;          // rows of the tick being planned or computed
    int promised = 0;         // blocks reserved and not yet taken
    bool admitted = false;
    std::vector<BlockId> blocks;
    int pending() const { return length - computed - planned; }
    bool decoding() const { return computed >= prompt; }
  };

  const Sequence& sequence(SequenceId id) const;
  Sequence& sequence(SequenceId id);
  void admit();
  // Plans up to `rows` more rows of the sequence; returns how many.
  int grant(SequenceId id, int rows);

  SchedulerLimits limits_;
  BlockPool& pool_;
  std::map<SequenceId, Sequence> sequences_;
  std::deque<SequenceId> queue_;   // waiting, in order of arrival
  std::vector<SequenceId> order_;  // admitted, in order of arrival
};

}  // namespace weft::runtime
