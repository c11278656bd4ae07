// SPDX-License-Identifier: Apache-2.0
//
// Who owns which block of the KV cache: ids and reference counts, no memory and no tensor. A block
// holds 32 positions of one sequence, or of several that share a prefix, or of none: then the
// prefix tree alone keeps it, for whoever comes with the same text.
//
// BlockMemory is what lies behind the ids; a test puts another world there.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/error.h"

namespace weft::runtime {

using BlockId = int32_t;
constexpr int kBlockPositions = 32;

class BlockPool {
 public:
  explicit BlockPool(int blocks);

  BlockId take();            // one must be free; its reference count is 1
  void share(BlockId id);    // one more owner
  void release(BlockId id);  // one owner less; the last one frees it

  int size() const { return static_cast<int>(references_.size()); }
  int free() const { return static_cast<int>(free_.size()); }  // in nobody's hands
  int references(BlockId id) const;

 private:
  std::vector<int32_t> references_;  // a block
  std::vector<BlockId> free_;        // the last one is taken next: recently used memory is warm
};

// The contents of blocks. Called by the thread that plans, between two forward passes.
class BlockMemory {
 public:
  virtual ~BlockMemory() = default;
  virtual void copy(BlockId from, BlockId to) = 0;
  // Keeps the contents elsewhere under a ticket, or nowhere (nothing): there is no room or no such
  // place.
  virtual std::optional<int64_t> spill(BlockId from) {
    (void)from;
    return std::nullopt;
  }
  // Brings the contents back; false if they are lost or damaged. The ticket stays valid.
  virtual bool restore(int64_t ticket, BlockId to) {
    (void)ticket, (void)to;
    return false;
  }
  virtual void forget(int64_t ticket) { (void)ticket; }
};

}  // namespace weft::runtime
