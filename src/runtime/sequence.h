// SPDX-License-Identifier: Apache-2.0
//
// A request inside the engine thread, and the rows of one forward pass in the form that a family
// takes. Bookkeeping of engine.cc, which alone uses it: which rows, in which blocks and when is the
// scheduler's business, which token comes next the engine's.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include "family/family.h"
#include "runtime/drafter.h"
#include "runtime/engine.h"
#include "runtime/sampler.h"
#include "runtime/scheduler.h"

namespace weft::runtime {

// What a submitter hands to the engine thread.
struct Incoming {
  Request request;
  std::shared_ptr<std::atomic<bool>> cancelled;
  int tokens_max = 0;  // prompt and generated
  int64_t submitted_ns = 0;
};

// A request inside the engine thread.
struct Sequence {
  Incoming in;
  std::vector<text::TokenId> tokens;  // prompt and generated
  Completion out;
  TokenHistory history;
  Drafter drafter;
  std::vector<text::TokenId> drafts;  // rows of this tick behind the known ones
  size_t proved = 0;            // of them, that the sequence has taken
  bool on_drafts = false;       // everything since the last tick stands in the drafts
  grammar::Haste haste = grammar::Haste::kGoOn;
  int state = -1;  // slot of the state pool, from the first tick on
  int64_t started_ns = 0;
  int64_t first_token_ns = 0;

  int generated_max() const {
    return std::min<int>(in.request.max_tokens,
                         in.tokens_max - static_cast<int>(in.request.prompt.size()));
  }
};

// The rows of a forward pass in the form that a family takes.
struct BatchRows {
  std::vector<text::TokenId> tokens;
  std::vector<int32_t> positions;
  std::vector<tensor::SequenceRows> sequences;
  std::vector<float*> states;

  void clear() {
    tokens.clear();
    states.clear();
    positions.clear();
    sequences.clear();
  }
  void add(const Slice& slice, const Sequence& sequence, const std::vector<BlockId>& blocks,
           float* state) {
    const std::vector<text::TokenId>& known = sequence.tokens;
    CHECK(static_cast<size_t>(slice.begin + slice.count - slice.drafts) <= known.size());
    CHECK(blocks.size() * kBlockPositions >= static_cast<size_t>(slice.begin + slice.count));
    CHECK(slice.begin >= 0 && slice.count > 0, "rows {}+{}", slice.begin, slice.count);
    sequences.push_back({blocks, static_cast<int64_t>(tokens.size()), slice.count, slice.begin});
    states.push_back(state);
    for (int i = slice.begin; i < slice.begin + slice.count; ++i) {
      const auto at = static_cast<size_t>(i);
      tokens.push_back(at < known.size() ? known[at] : sequence.drafts[at - known.size()]);
      positions.push_back(i);
    }
  }
  family::Batch view() const { return {tokens, positions, sequences, states}; }
};

}  // namespace weft::runtime
