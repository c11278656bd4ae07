// SPDX-License-Identifier: Apache-2.0
#include "runtime/kv_cache.h"

namespace weft::runtime {

KvCache::KvCache(const family::KvBlocks& shape, int blocks)
    : blocks_(blocks), bytes_(block_bytes(shape)), view_(shape) {
  CHECK(blocks > 0, "blocks={}", blocks);
  CHECK(shape.layers >= 0 && shape.block_bytes() >= 0, "layers={}", shape.layers);
  memory_ = tensor::Buffer(static_cast<size_t>(blocks) * bytes_);
  view_.base = memory_.data();
  CHECK(view_.base != nullptr);
}

}  // namespace weft::runtime
