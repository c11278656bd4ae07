// SPDX-License-Identifier: Apache-2.0
//
// The memory of the KV cache: one allocation of equal blocks, each 32 positions of all layers.
// Pages are touched by the system only when a block is first written, so an idle model's cache
// costs nothing. Who owns which block is BlockPool's matter.
//
// Layers with a window keep all positions here: attention reads none that lie behind the window,
// and nobody gives them back. A part of its own for these layers would be a second kind of block,
// which the scheduler admits, evicts and spills beside the first, and which a path of the prefix
// tree may lack: such a path could be taken over only where its last `window` positions are whole.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "family/family.h"
#include "tensor/buffer.h"

namespace weft::runtime {

class KvCache {
 public:
  // `shape` as ModelInstance::kv_shape(); blocks > 0.
  KvCache(const family::KvBlocks& shape, int blocks);

  // At least four bytes, so that a model without attention has blocks to count with too.
  static size_t block_bytes(const family::KvBlocks& shape) {
    return static_cast<size_t>(std::max<int64_t>(shape.block_bytes(), 4));
  }
  const family::KvBlocks& view() const { return view_; }
  // All layers of a block.
  std::span<uint8_t> block(int id) {
    CHECK(id >= 0 && id < blocks_, "block {} of {}", id, blocks_);
    return {view_.base + static_cast<size_t>(id) * bytes_, bytes_};
  }
  int blocks() const { return blocks_; }

 private:
  int blocks_;
  size_t bytes_;  // of a block
  tensor::Buffer memory_;
  family::KvBlocks view_;
};

}  // namespace weft::runtime
