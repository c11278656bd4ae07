// SPDX-License-Identifier: Apache-2.0
//
// An immutable weight matrix (rows = output features, columns = input features) in the layout
// that the kernels stream: strips of 32 rows, inside a strip column after column, so that a strip
// is read from its first byte to its last. Rows come in halves of 16, one vector each:
//
//   f32 bf16 f16   strip = [columns][32 rows]
//   q8             strip = [groups] of [8][32 rows][4 columns] int8 biased by 128,
//                          [32 rows] f16 scales;             group = 32 columns
//   q4             strip = [groups] of [4][32 rows][4 bytes] two codes 0..15 a byte,
//                          column i of eight in the low half of byte i, i + 4 in its high half,
//                          [32 rows] f16 scales, [32 rows] f16 offsets;
//                          w = scale code + offset
//   q4c            as q4 without offsets; w = scale (code - 8), what Q4_0 of GGUF is
//
// Missing rows of the last strip and missing columns of the last group are zero. The source
// (often a mapped file) is read once by a Packer and may go afterwards.
// Not here: file formats and the decoding of foreign quantisations, which hand in floats.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "tensor/buffer.h"

namespace weft::tensor {

enum class WeightType : uint8_t { kF32, kBF16, kF16, kQ8, kQ4, kQ4Centred };

// Codes with scales, which meet activations quantised to int8 in groups of 32.
inline bool is_quantised(WeightType type) { return type >= WeightType::kQ8; }

std::string_view name_of(WeightType type);  // "f32", "bf16", "f16", "q8", "q4", "q4c"

class Matrix {
 public:
  Matrix() = default;  // 0 x 0

  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  WeightType type() const { return type_; }
  bool empty() const { return rows_ == 0; }
  size_t bytes() const { return buffer_.bytes(); }  // memory held, padding included
  // From the bytes that data() of such a matrix had; the buffer is at least bytes_of() long.
  static Matrix of_packed(WeightType type, int64_t rows, int64_t columns, Buffer bytes);
  // Bytes of a matrix not made yet, for budgets.
  static size_t bytes_of(WeightType type, int64_t rows, int64_t columns);

  // Row `row` as floats (columns); what a matmul multiplies with, exactly.
  void read_row(int64_t row, std::span<float> out) const;

  int64_t strips() const { return (rows_ + 31) / 32; }
  int64_t strip_bytes() const { return strip_bytes_; }
  const uint8_t* data() const { return buffer_.data(); }

 private:
  friend class Packer;
  Buffer buffer_;
  int64_t rows_ = 0;
  int64_t columns_ = 0;
  int64_t strip_bytes_ = 0;
  WeightType type_ = WeightType::kF32;
};

// Fills a matrix row by row. Every row must be set once, in any order; different rows may be set by
// different threads at once. Floats become q8 by scale = max |x| / 127 of each group, rounded to
// f16, and values rounded to nearest even, |q| <= 127; f32 to bf16 and f16 round likewise. Floats
// become q4 by quantise_q4 (tensor/quantise.h) and never q4c.
class Packer {
 public:
  // The matrix lies in the arena, if there is one.
  Packer(WeightType type, int64_t rows, int64_t columns, Arena* arena = nullptr);

  void set_row(int64_t row, std::span<const float> values);
  // Sources as they lie in a file, at any alignment: (columns) f32, bf16 or f16.
  void set_row_f32(int64_t row, const void* values);
  void set_row_bf16(int64_t row, const void* values);
  void set_row_f16(int64_t row, const void* values);
  // (columns) int8 and one f16 scale for every 32 columns, the last group may be short. -128 is
  // allowed. Only into a q8 matrix: kept bit for bit.
  void set_row_q8(int64_t row, const void* values, const void* scales);

  // (columns) codes 0..15, an f16 scale and, into a q4 matrix, an f16 offset for every 32 columns;
  // null for q4c. Kept bit for bit.
  void set_row_q4(int64_t row, const uint8_t* codes, const uint16_t* scales,
                  const uint16_t* offsets);

  Matrix finish() &&;

 private:
  void set_row_as_q4(int64_t row, std::span<const float> values);
  void put_q8(int64_t row, int64_t group, const int8_t* values, int64_t n, uint16_t scale);
  Matrix matrix_;
};

// A whole matrix of f32, bf16 or f16 rows (the type `source`), C order, at any alignment.
Matrix pack(WeightType type, WeightType source, const void* values, int64_t rows, int64_t columns);
// int8 values (rows, columns), f16 scales (rows, columns / 32 rounded up).
Matrix pack_q8(const void* values, const void* scales, int64_t rows, int64_t columns);

}  // namespace weft::tensor
