// SPDX-License-Identifier: Apache-2.0
//
// The quantised blocks of GGUF, after the public description of the formats. The one idea: every
// type is integer codes with a scale and an offset for each 16 or 32 of them,
//
//   w[i] = scale[i / group] * code[i] + offset[i / group]        (one rounding, of the sum)
//
// so one decoder serves both readers of floats and packers that want to keep the codes. Products
// of the half-precision scale, the sub-scale and a code have at most 24 significant bits: they are
// exact, and only types with an offset round at all.
//
//   type    block          codes          group    type    block          codes          group
//   Q8_0    34 B of 32     -128..127      32       Q2_K    84 B of 256    0..3, offset   16
//   Q4_0    18 B of 32     -8..7          32       Q3_K    110 B of 256   -4..3          16
//   Q4_1    20 B of 32     0..15, offset  32       Q4_K    144 B of 256   0..15, offset  32
//   Q5_0    22 B of 32     -16..15        32       Q5_K    176 B of 256   0..31, offset  32
//   Q5_1    24 B of 32     0..31, offset  32       Q6_K    210 B of 256   -32..31        16
//   IQ4_NL  18 B of 32     table          32       IQ4_XS  136 B of 256   table          32
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "model/stored_tensor.h"

namespace weft::model {

struct BlockFormat {
  DType dtype;
  std::string_view name;  // "Q4_K"
  uint32_t ggml_type;     // its number in a GGUF file
  int64_t elements;       // of a block; one for plain types
  int64_t bytes;          // of a block
  int64_t group;          // codes that share scale and offset; 0 for plain types
  bool has_offset;        // else every offset is 0
};
// All types that weft computes with, F32 F16 BF16 included. nullptr: none of them.
const BlockFormat* block_format_of_ggml(uint32_t ggml_type);
const BlockFormat& block_format(DType dtype);

// A decoded block; only the first `elements` and elements / group entries mean something.
struct BlockCodes {
  int8_t code[256];
  float scale[16];
  float offset[16];
};
// `block` has block_format(dtype).bytes bytes, at any address; dtype is a block type.
void decode_block(DType dtype, const void* block, BlockCodes& out);

// out.size() elements, a whole number of blocks; any type of the table above.
void read_elements(DType dtype, const void* from, std::span<float> out);

}  // namespace weft::model
