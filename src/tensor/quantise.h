// SPDX-License-Identifier: Apache-2.0
//
// Four bits a weight: a group of up to 32 becomes codes 0..15 with a scale and an offset in half
// precision, w = scale code + offset. The one idea: the range from the least to the largest value
// is only a first guess; the pair is fitted again to the codes by least squares, from several
// guesses, and the one with the smallest squared error of what will be read back wins. Normal
// weights lose about a seventh of the error so (matrix_test holds the bound).
//
// Deterministic: plain float arithmetic in a fixed order. Eight bits need no search (matrix.h).
#pragma once

#include <cstdint>
#include <span>

namespace weft::tensor {

struct Q4Group {
  uint16_t scale;   // f16 bit patterns
  uint16_t offset;
};
// 1 to 32 values; writes as many codes. Values beyond what f16 can span are cut.
Q4Group quantise_q4(std::span<const float> values, uint8_t* codes);

}  // namespace weft::tensor
