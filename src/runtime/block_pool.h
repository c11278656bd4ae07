// SPDX-License-Identifier: Apache-2.0
//
// Who owns which block of the KV cache: ids, reference counts and reservations, no memory and no
// tensor. A block holds 32 positions of one sequence, or of several that share a prefix.
//
// A sequence reserves at admission what it may need at most, and takes blocks as it grows: so an
// admitted sequence never waits for another one, and nothing can deadlock. (Preemption, which
// makes better use of the pool, will replace the reservation.)
#pragma once

#include <cstdint>
#include <vector>

#include "base/error.h"

namespace weft::runtime {

using BlockId = int32_t;

class BlockPool {
 public:
  explicit BlockPool(int blocks);

  // Promises `blocks` blocks to a sequence, or returns false and promises nothing.
  bool reserve(int blocks);
  void unreserve(int blocks);  // gives back a part of a promise that was not taken

  // Takes a block out of a promise made before. Its reference count is 1.
  BlockId take();
  void share(BlockId id);    // one more owner
  void release(BlockId id);  // one owner less; the last one frees it

  int size() const { return static_cast<int>(references_.size()); }
  int free() const { return static_cast<int>(free_.size()); }   // in nobody's hands
  int reserved() const { return reserved_; }                    // promised and not yet taken
  int references(BlockId id) const;

 private:
  std::vector<int32_t> references_;  // a block
  std::vector<BlockId> free_;        // the last one is taken next: recently used memory is warm
  int reserved_ = 0;
};

}  // namespace weft::runtime
