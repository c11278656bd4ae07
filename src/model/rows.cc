// SPDX-License-Identifier: Apache-2.0
#include "model/rows.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/error.h"
#include "model/blocks.h"
#include "tensor/half.h"

namespace weft::model {
namespace {

constexpr int64_t kRowGroup = 32;

// The codes of weft_q8_g32 and weft_q4_g32.
RowCodes stored_codes(const RowSource& source, int64_t row, int64_t columns) {
  RowCodes out;
  out.codes.resize(static_cast<size_t>(columns));
  const char* from = source.values->row(row);
  for (size_t k = 0; k < out.codes.size(); ++k) {
    if (source.offsets == nullptr) {
      out.codes[k] = static_cast<int8_t>(from[k]);
    } else {
      const auto pair = static_cast<uint8_t>(from[k / 2]);
      out.codes[k] = static_cast<int8_t>(k % 2 == 0 ? pair & 15 : pair >> 4);
    }
  }
  const auto groups = static_cast<size_t>(columns / kRowGroup);
  out.scales.resize(groups);
  out.offsets.resize(groups);
  std::memcpy(out.scales.data(), source.scales->row(row), groups * 2);
  if (source.offsets != nullptr) {
    std::memcpy(out.offsets.data(), source.offsets->row(row), groups * 2);
  }
  return out;
}

RowCodes block_codes(DType type, const char* from, int64_t columns) {
  RowCodes out;
  const BlockFormat& format = block_format(type);
  CHECK(format.group == kRowGroup, "{}", format.name);
  BlockCodes block;
  for (int64_t at = 0; at < columns; at += format.elements, from += format.bytes) {
    decode_block(type, from, block);
    out.codes.insert(out.codes.end(), block.code, block.code + format.elements);
    for (int64_t g = 0; g < format.elements / kRowGroup; ++g) {
      out.scales.push_back(tensor::f16_of_float(block.scale[g]));
      out.offsets.push_back(tensor::f16_of_float(block.offset[g]));
    }
  }
  return out;
}

}  // namespace

bool keeps_codes(DType dtype, tensor::WeightType target) {
  switch (target) {
    case tensor::WeightType::kQ8:
      return dtype == DType::kI8 || dtype == DType::kQ8_0 || dtype == DType::kQ4_0 ||
             dtype == DType::kQ5_0 || dtype == DType::kIQ4NL;
    case tensor::WeightType::kQ4:
      return dtype == DType::kU8 || dtype == DType::kQ4_1 || dtype == DType::kQ4K ||
             dtype == DType::kQ4_0;
    case tensor::WeightType::kQ4Centred: return dtype == DType::kQ4_0;
    default: return false;
  }
}

RowCodes codes_of(const RowSource& source, int64_t row, int64_t columns, bool four_bits) {
  const DType dtype = source.values->dtype;
  if (source.scales != nullptr) return stored_codes(source, row, columns);
  RowCodes out = block_codes(dtype, source.values->row(row), columns);
  if (!four_bits || dtype != DType::kQ4_0) return out;
  // Codes -8 .. 7 without offset are codes 0 .. 15 with the offset -8 scale, which is exact: a
  // multiplication by a power of two.
  for (int8_t& code : out.codes) code = static_cast<int8_t>(code + 8);
  for (size_t g = 0; g < out.scales.size(); ++g) {
    out.offsets[g] = tensor::f16_of_float(-8 * tensor::float_of_f16(out.scales[g]));
  }
  return out;
}

void read_row(const RowSource& source, int64_t row, std::span<float> out) {
  if (source.scales == nullptr) {
    return read_elements(source.values->dtype, source.values->row(row), out);
  }
  const RowCodes codes = stored_codes(source, row, static_cast<int64_t>(out.size()));
  for (size_t k = 0; k < out.size(); ++k) {
    const float scale = tensor::float_of_f16(codes.scales[k / kRowGroup]);
    const float product = static_cast<float>(codes.codes[k]) * scale;
    out[k] = source.offsets == nullptr
                 ? product
                 : product + tensor::float_of_f16(codes.offsets[k / kRowGroup]);
  }
}

bool all_finite(std::span<const float> values) {
  // An exponent of ones is the only mark of both NaN and infinity; the loop vectorises.
  uint32_t marks = 0;
  for (const float value : values) {
    marks |= static_cast<uint32_t>((std::bit_cast<uint32_t>(value) & 0x7f800000) == 0x7f800000);
  }
  return marks == 0;
}

bool all_finite(std::span<const uint16_t> halves) {
  return std::none_of(halves.begin(), halves.end(),
                      [](uint16_t raw) { return (raw & 0x7c00) == 0x7c00; });
}

}  // namespace weft::model
