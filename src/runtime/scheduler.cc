// SPDX-License-Identifier: Apache-2.0
#include "runtime/scheduler.h"

#include <algorithm>

namespace weft::runtime {
namespace {

// The part of a prompt that is computed before older prompts get more. A short question is
// answered within a tick or two, and a long prompt loses at most this per younger request.
constexpr int kFirstShare = 32;

}  // namespace

Scheduler::Scheduler(SchedulerLimits limits, BlockPool& pool) : limits_(limits), pool_(pool) {
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

void Scheduler::add(SequenceId id, int prompt, int tokens_max) {
  CHECK(prompt > 0 && prompt <= tokens_max, "prompt={} tokens_max={}", prompt, tokens_max);
  CHECK(fits(tokens_max), "tokens_max={} blocks={}", tokens_max, pool_.size());
  Sequence added;
  added.prompt = added.length = prompt;
  added.tokens_max = tokens_max;
  CHECK(sequences_.emplace(id, added).second, "sequence {} is added twice", id);
  queue_.push_back(id);
}

void Scheduler::append(SequenceId id) {
  Sequence& s = sequence(id);
  CHECK(s.planned == 0, "sequence {} grows in the middle of a tick", id);
  CHECK(s.length < s.tokens_max, "sequence {} grows beyond its {} tokens", id, s.tokens_max);
  ++s.length;
}

void Scheduler::remove(SequenceId id) {
  Sequence& s = sequence(id);
  CHECK(s.planned == 0, "sequence {} is removed in the middle of a tick", id);
  CHECK(s.admitted || (s.blocks.empty() && s.promised == 0), "sequence {} waits with blocks", id);
  for (const BlockId block : s.blocks) pool_.release(block);
  pool_.unreserve(s.promised);
  if (s.admitted) {
    order_.erase(std::find(order_.begin(), order_.end(), id));
  } else {
    queue_.erase(std::find(queue_.begin(), queue_.end(), id));
  }
  sequences_.erase(id);
}

// Strictly in order: a small request does not overtake a large one that waits for blocks, or the
// large one could wait for ever.
void Scheduler::admit() {
  while (!queue_.empty() && admitted() < limits_.sequences_max) {
    Sequence& s = sequence(queue_.front());
    const int blocks = blocks_for(s.tokens_max);
    CHECK(!s.admitted && s.promised == 0, "sequence {}", queue_.front());
    if (!pool_.reserve(blocks)) return;
    s.promised = blocks;
    s.admitted = true;
    order_.push_back(queue_.front());
    queue_.pop_front();
  }
}

int Scheduler::grant(SequenceId id, int rows) {
  Sequence& s = sequence(id);
  CHECK(s.admitted, "sequence {} waits", id);
  const int granted = std::min(rows, s.pending());
  CHECK(granted >= 0, "sequence {} computes more than it knows", id);
  s.planned += granted;
  while (static_cast<int>(s.blocks.size()) < blocks_for(s.computed + s.planned)) {
    CHECK(s.promised > 0, "sequence {}: blocks={}", id, s.blocks.size());
    s.blocks.push_back(pool_.take());
    --s.promised;
  }
  CHECK(std::ssize(s.blocks) + s.promised == blocks_for(s.tokens_max), "sequence {}: blocks={}", id,
        s.blocks.size());
  return granted;
}

std::vector<Slice> Scheduler::plan() {
  for (const auto& [id, s] : sequences_) CHECK(s.planned == 0, "sequence {}: no done()", id);
  admit();
  CHECK(sequences_.size() == order_.size() + queue_.size(), "a sequence is in no queue, or in two");
  CHECK(admitted() <= limits_.sequences_max, "admitted={}", admitted());
  // Every decoding sequence gets its row even beyond the budget: none may starve.
  int budget = limits_.tokens_per_tick;
  for (const SequenceId id : order_) {
    if (sequence(id).decoding()) budget -= grant(id, std::max(1, std::min(budget, kFirstShare)));
  }
  for (const SequenceId id : order_) {
    if (!sequence(id).decoding() && budget > 0) budget -= grant(id, std::min(budget, kFirstShare));
  }
  for (const SequenceId id : order_) {
    if (budget > 0) budget -= grant(id, budget);
  }
  std::vector<Slice> out;
  for (const SequenceId id : order_) {
    const Sequence& s = sequence(id);
    if (s.planned == 0) continue;
    out.push_back({id, s.computed, s.planned, s.pending() == 0});
    CHECK(out.back().begin + out.back().count <= s.length, "sequence {}", id);
  }
  return out;
}

void Scheduler::done(const std::vector<Slice>& slices) {
  for (const Slice& slice : slices) {
    Sequence& s = sequence(slice.id);
    CHECK(s.planned == slice.count && s.computed == slice.begin, "sequence {}", slice.id);
    s.computed += slice.count;
    s.planned = 0;
    CHECK(s.computed <= s.length, "sequence {}", slice.id);
  }
}

}  // namespace weft::runtime
