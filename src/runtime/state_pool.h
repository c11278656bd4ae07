// SPDX-License-Identifier: Apache-2.0
//
// What recurrent layers carry from token to token, a slot for each sequence admitted, beside the
// blocks of the KV cache. A slot has one fixed size whatever the length of its sequence, is
// advanced in place, and holds the state after exactly position() tokens; that number is checked
// against every run, because a state can be neither shared nor taken back. What follows from this:
//
//   start, recompute after preemption   run from position 0: the operations then find zeros
//   cancel, end                         release the slot
//   reuse of a prefix (later)           copy the slot when a run ends on a block's border, keep the
//                                       copy with that block, start from it: a prefix is reusable
//                                       at its copies only, so they belong at borders
//
// Models without recurrent layers have slots of size 0, and none of this costs anything.
#pragma once

#include <cstdint>
#include <vector>

#include "base/error.h"
#include "tensor/buffer.h"

namespace weft::runtime {

class StatePool {
 public:
  // `slots` states of `floats` each; memory is touched as it is used.
  StatePool(int64_t floats, int slots);

  int take();  // there must be a free one
  void release(int slot);
  // The state, about to run `count` tokens from `position` on: its position, or 0. nullptr if
  // states have size 0.
  float* run(int slot, int position, int count);

  int position(int slot) const { return positions_.at(static_cast<size_t>(slot)); }
  int free() const { return static_cast<int>(free_.size()); }
  int slots() const { return static_cast<int>(positions_.size()); }

 private:
  int64_t floats_;
  tensor::Buffer memory_;
  std::vector<int> positions_;  // a slot; -1: free
  std::vector<int> free_;
};

}  // namespace weft::runtime
