// SPDX-License-Identifier: Apache-2.0
//
// How attention sees the cached keys and values of one layer: fixed-size blocks of 32 positions
// somewhere in memory of the caller, found through a table of block ids. Attention itself never
// allocates cache. A block of one layer, in floats:
//
//   keys     [kv_heads][head_dim][32 positions]    a vector load is 16 positions of one dimension
//   values   [kv_heads][32 positions][v_dim]       v_dim = head_dim rounded up to 16
//
// Unwritten positions may hold anything, NaN included. Not here: allocation, sharing, prefixes.
#pragma once

#include <cstdint>
#include <span>

namespace weft::tensor {

struct KvLayout {
  int32_t kv_heads = 0;
  int32_t head_dim = 0;  // 1..256

  int64_t v_dim() const { return (head_dim + 15) / 16 * 16; }
  int64_t key_floats() const { return int64_t{kv_heads} * head_dim * 32; }
  int64_t block_floats() const { return key_floats() + int64_t{kv_heads} * 32 * v_dim(); }
};

// Block `id` of this layer begins at base + id * block_stride. A runtime that keeps all layers of
// a block together passes base + its layer's offset and the stride of a whole block. 64-byte
// alignment is faster, not needed.
struct KvView {
  KvLayout layout;
  float* base = nullptr;
  int64_t block_stride = 0;  // floats, >= layout.block_floats()
};

// Consecutive rows of a batch that are consecutive positions of one sequence: row first_row + i is
// position first_position + i. blocks[p / 32] holds position p; ids of blocks entirely before the
// sliding window are never read and may be -1.
struct SequenceRows {
  std::span<const int32_t> blocks;
  int64_t first_row = 0;
  int64_t rows = 0;
  int64_t first_position = 0;
};

}  // namespace weft::tensor
