// SPDX-License-Identifier: Apache-2.0
//
// A tensor as it lies in a mapped file: name, type, shape, and where each of its rows is. The one
// idea: whatever the file (safetensors, GGUF), readers see the names, shapes and row order of the
// Hugging Face checkpoint; what differs in the file is hidden behind row().
//
// A row is all elements of the last dimension. Rows may lie in several pieces of equally many rows
// (GGUF keeps gate and up apart), and the rows of each head may be interleaved (GGUF's q and k of
// Granite). Nothing is copied or converted here; data may start at any address.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft::model {

// How the elements are stored. kI8 and kU8 carry scales in tensors of their own (X_scale,
// X_offset); those from kQ8_0 on are GGUF's blocks, which hold their scales (model/blocks.h).
enum class DType : uint8_t {
  kF32, kF16, kBF16, kI8,
  kU8,  // of weft_q4_g32: two columns a byte, the even one in the low half
  kOther,
  kQ8_0, kQ4_0, kQ4_1, kQ5_0, kQ5_1, kQ2K, kQ3K, kQ4K, kQ5K, kQ6K, kIQ4NL, kIQ4XS,
};

inline bool is_block(DType type) { return type >= DType::kQ8_0; }

// Valid as long as the Checkpoint it came from.
struct StoredTensor {
  std::string name;
  DType dtype = DType::kOther;
  std::string dtype_name;      // as written, e.g. "F8_E4M3"; for messages
  std::vector<int64_t> shape;  // row-major; empty = one number
  // All bytes, if they lie together in the order of the rows (in safetensors always).
  std::string_view bytes;
  std::vector<std::string_view> pieces;  // else: the pieces, of equally many rows each
  // Head size d if the file has the rows of a head interleaved: row s d/2 + i of a head lies at
  // 2 i + s (s 0 or 1). 0: not.
  int64_t interleaved_head = 0;

  int64_t columns() const { return shape.empty() ? 1 : shape.back(); }
  int64_t rows() const;                // product of all dimensions but the last
  size_t row_bytes() const;            // every row has as many
  const char* row(int64_t row) const;  // row in [0, rows())
  size_t byte_count() const;
};

// "(256, 64)".
std::string shape_text(const std::vector<int64_t>& shape);

}  // namespace weft::model
