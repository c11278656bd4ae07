// SPDX-License-Identifier: Apache-2.0
#include "runtime/block_pool.h"

namespace weft::runtime {

BlockPool::BlockPool(int blocks) {
  CHECK(blocks > 0, "blocks={}", blocks);
  references_.assign(static_cast<size_t>(blocks), 0);
  for (BlockId id = blocks; id-- > 0;) free_.push_back(id);
  CHECK(free() == size());
}

BlockId BlockPool::take() {
  CHECK(!free_.empty(), "all {} blocks are taken", size());
  const BlockId id = free_.back();
  free_.pop_back();
  CHECK(references_[static_cast<size_t>(id)] == 0, "block {}", id);
  references_[static_cast<size_t>(id)] = 1;
  return id;
}

void BlockPool::share(BlockId id) {
  CHECK(references(id) > 0, "block {} is free", id);
  CHECK(references(id) < (1 << 30), "block {}", id);
  ++references_[static_cast<size_t>(id)];
}

void BlockPool::release(BlockId id) {
  CHECK(references(id) > 0, "block {} is freed twice", id);
  if (--references_[static_cast<size_t>(id)] == 0) free_.push_back(id);
  CHECK(free() <= size());
}

int BlockPool::references(BlockId id) const {
  CHECK(id >= 0 && id < size(), "block {} of {}", id, size());
  return references_[static_cast<size_t>(id)];
}

}  // namespace weft::runtime
