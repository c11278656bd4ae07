// SPDX-License-Identifier: Apache-2.0
//
// A row of a stored matrix, as floats or taken apart into codes with a scale and an offset for each
// 32 of them. Loading and quantising read through this, so both keep the same codes where the
// target can hold them: the float a kernel multiplies with is then the float the file means.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/stored_tensor.h"
#include "tensor/matrix.h"

namespace weft::model {

// `scales` of int8 values and of pairs of 4-bit codes, `offsets` of the latter; else null.
struct RowSource {
  const StoredTensor* values = nullptr;
  const StoredTensor* scales = nullptr;
  const StoredTensor* offsets = nullptr;
};

// w = code * scale + offset, both in half precision (bit patterns), one for 32 columns.
struct RowCodes {
  std::vector<int8_t> codes;
  std::vector<uint16_t> scales;
  std::vector<uint16_t> offsets;  // all zero for codes of 8 bits
};

// The codes of such tensors can stand in a matrix of type `target` as they are. Of Q4_K, scales
// and offsets are products that are rounded to half precision; everything else is exact.
bool keeps_codes(DType dtype, tensor::WeightType target);

// Of a tensor that keeps_codes(). `columns` counts numbers. With `four_bits` codes are 0..15.
RowCodes codes_of(const RowSource& source, int64_t row, int64_t columns, bool four_bits);

// out.size() numbers, any type but kOther.
void read_row(const RowSource& source, int64_t row, std::span<float> out);

// Neither NaN nor infinity; of half precision, bit patterns.
bool all_finite(std::span<const float> values);
bool all_finite(std::span<const uint16_t> halves);

}  // namespace weft::model
