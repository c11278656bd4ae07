// SPDX-License-Identifier: Apache-2.0
//
// How attention sees the cached keys and values of one layer: fixed-size blocks of 32 positions
// somewhere in memory of the caller, found through a table of block ids. Attention itself never
// allocates cache. A block of one layer, head after head, keys of all heads before values:
//
//   f32 f16  keys    [head_dim][32 positions]   a vector load is 16 positions of one dimension
//            values  [32 positions][v_dim]      v_dim = head_dim rounded up to 16
//   q8       keys    [groups][8][32 positions][4 dimensions] int8 biased by 128: a strip's codes
//                    of a q8 matrix (matrix.h); then [groups][32 positions] f16 scales
//            values  [32 positions][v_dim] int8 biased by 128; then [32 positions][groups] f16
//                    scales                     group = 32 dimensions, the last may be short
//
// Half the bytes (f16) or 0.27 of them (q8): at depth, decoding reads little else. Unwritten
// positions may hold anything, NaN included. Not here: allocation, sharing, prefixes.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/error.h"

namespace weft::tensor {

enum class KvType : uint8_t { kF32, kF16, kQ8 };
std::string_view name_of(KvType type);             // "f32", "f16", "q8"
Result<KvType> kv_type_of(std::string_view name);  // E0214 for anything else

struct KvLayout {
  int32_t kv_heads = 0;
  int32_t head_dim = 0;  // 1..256
  KvType type = KvType::kF32;

  int64_t v_dim() const { return (head_dim + 15) / 16 * 16; }
  int64_t groups() const { return (head_dim + 31) / 32; }
  // Bytes of one head in a block.
  int64_t key_bytes() const {
    return type == KvType::kQ8 ? groups() * 32 * (32 + 2) : int64_t{head_dim} * 32 * element();
  }
  int64_t value_bytes() const {
    return type == KvType::kQ8 ? 32 * (v_dim() + groups() * 2) : 32 * v_dim() * element();
  }
  int64_t block_bytes() const { return kv_heads * (key_bytes() + value_bytes()); }

 private:
  int64_t element() const { return type == KvType::kF32 ? 4 : 2; }
};

// Block `id` of this layer begins at base + id * block_stride. A runtime that keeps all layers of
// a block together passes base + its layer's offset and the stride of a whole block. 64-byte
// alignment is faster; alignment to a float is needed.
struct KvView {
  KvLayout layout;
  uint8_t* base = nullptr;
  int64_t block_stride = 0;  // bytes, >= layout.block_bytes()
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
