// SPDX-License-Identifier: Apache-2.0
#include "tensor/matrix.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "tensor/half.h"
#include "tensor/kernels/table.h"
#include "tensor/quantise.h"

namespace weft::tensor {
namespace {

constexpr int64_t kSizeMax = int64_t{1} << 40;

int64_t element_bytes(WeightType type) { return type == WeightType::kF32 ? 4 : 2; }

int64_t groups_of(int64_t columns) { return (columns + kGroup - 1) / kGroup; }

// Bytes of the codes of a group: 32 rows of 32 columns.
int64_t code_bytes_of(WeightType type) {
  return type == WeightType::kQ8 ? kStripRows * kGroup : kStripRows * kGroup / 2;
}

// A group's codes, then its scales (and offsets).
int64_t group_bytes_of(WeightType type) {
  return code_bytes_of(type) + kStripRows * (type == WeightType::kQ4 ? 4 : 2);
}

int64_t strip_bytes_of(WeightType type, int64_t columns) {
  if (is_quantised(type)) return groups_of(columns) * group_bytes_of(type);
  return columns * kStripRows * element_bytes(type);
}

// Where in a strip the scales of group `group` are; a q4 matrix has the offsets behind them.
int64_t scale_at(WeightType type, int64_t group, int64_t row) {
  return group * group_bytes_of(type) + code_bytes_of(type) + row % kStripRows * 2;
}

// The byte of a q4 strip that holds column `k` of row `row`, and whether in its high half.
struct Nibble {
  int64_t byte;
  bool high;
};
Nibble q4_at(WeightType type, int64_t row, int64_t k) {
  const int64_t in_group = k % kGroup;
  return {k / kGroup * group_bytes_of(type) + in_group / 8 * kLineBytes + row % kStripRows * 4 +
              in_group % 4,
          in_group % 8 >= 4};
}

// In a group: by fours of columns, in those by row. Four neighbouring columns of a row are what
// one lane of a dot-product instruction takes (VPDPBUSD: four bytes into one 32-bit sum), 16 rows
// fill 512 bits.
int64_t q8_at(int64_t row, int64_t k) {
  return k / kGroup * group_bytes_of(WeightType::kQ8) + k % kGroup / 4 * kLineBytes +
         row % kStripRows * 4 + k % 4;
}

// Rounds to nearest even by the addition that pushes the fraction out; |v| < 2^22.
int8_t rounded(float v) {
  return static_cast<int8_t>(std::bit_cast<int32_t>(v + 12582912.0f) & 0xff);
}

}  // namespace

std::string_view name_of(WeightType type) {
  constexpr std::string_view kNames[] = {"f32", "bf16", "f16", "q8", "q4", "q4c"};
  return kNames[static_cast<int>(type)];
}

size_t Matrix::bytes_of(WeightType type, int64_t rows, int64_t columns) {
  CHECK(rows >= 0 && columns >= 0 && rows < kSizeMax && columns < kSizeMax);
  return static_cast<size_t>((rows + kStripRows - 1) / kStripRows * strip_bytes_of(type, columns));
}

Matrix Matrix::of_packed(WeightType type, int64_t rows, int64_t columns, Buffer bytes) {
  CHECK(rows > 0 && columns > 0, "a matrix of {} x {}", rows, columns);
  CHECK(bytes.bytes() >= bytes_of(type, rows, columns), "{} bytes", bytes.bytes());
  Matrix out;
  out.type_ = type;
  out.rows_ = rows;
  out.columns_ = columns;
  out.strip_bytes_ = strip_bytes_of(type, columns);
  out.buffer_ = std::move(bytes);
  return out;
}

void Matrix::read_row(int64_t row, std::span<float> out) const {
  CHECK(row >= 0 && row < rows_, "row {} of {}", row, rows_);
  CHECK(std::ssize(out) == columns_, "{} floats for {} columns", out.size(), columns_);
  const uint8_t* strip = data() + row / kStripRows * strip_bytes_;
  const int64_t lane = row % kStripRows;
  const auto u16_at = [](const uint8_t* p, int64_t i) {
    uint16_t raw;
    std::memcpy(&raw, p + i * 2, 2);
    return raw;
  };
  if (type_ == WeightType::kF32) {
    for (int64_t k = 0; k < columns_; ++k) {
      std::memcpy(&out[k], strip + (k * kStripRows + lane) * 4, 4);
    }
  } else if (!is_quantised(type_)) {
    for (int64_t k = 0; k < columns_; ++k) {
      const uint16_t raw = u16_at(strip, k * kStripRows + lane);
      out[k] = type_ == WeightType::kBF16 ? float_of_bf16(raw) : float_of_f16(raw);
    }
  } else {
    for (int64_t k = 0; k < columns_; ++k) {
      const uint8_t* scales = strip + scale_at(type_, k / kGroup, row);
      const float scale = float_of_f16(u16_at(scales, 0));
      if (type_ == WeightType::kQ8) {
        out[k] = static_cast<float>(int{strip[q8_at(row, k)]} - 128) * scale;
        continue;
      }
      const Nibble at = q4_at(type_, row, k);
      const int code = at.high ? strip[at.byte] >> 4 : strip[at.byte] & 15;
      out[k] = type_ == WeightType::kQ4
                   ? static_cast<float>(code) * scale + float_of_f16(u16_at(scales, kStripRows))
                   : static_cast<float>(code - 8) * scale;
    }
  }
}

Packer::Packer(WeightType type, int64_t rows, int64_t columns, Arena* arena) {
  CHECK(rows > 0 && columns > 0, "a matrix of {} x {}", rows, columns);
  matrix_.type_ = type;
  matrix_.rows_ = rows;
  matrix_.columns_ = columns;
  matrix_.strip_bytes_ = strip_bytes_of(type, columns);
  const size_t bytes = Matrix::bytes_of(type, rows, columns);
  matrix_.buffer_ = arena != nullptr ? arena->take(bytes) : Buffer(bytes);
  // Zeros are not written where rows will be: the pages of a large matrix would be touched twice.
  // Only padding has to be zero, and it lies in the last strip and the last group of each strip;
  // a q8 zero is 128; q4 columns of padding meet activations of zero. Whole rows are written by
  // set_row.
  uint8_t* data = matrix_.buffer_.data();
  const int64_t strips = matrix_.strips();
  if (type == WeightType::kQ8 && columns % kGroup != 0) {
    for (int64_t s = 0; s < strips; ++s) {
      std::memset(data + s * matrix_.strip_bytes_ + columns / kGroup * group_bytes_of(type), 128,
                  static_cast<size_t>(code_bytes_of(type)));
    }
  }
  const bool q4 = type == WeightType::kQ4 || type == WeightType::kQ4Centred;
  if (q4 && columns % kGroup != 0) {  // halves of bytes are written one by one
    std::memset(data, 0, matrix_.buffer_.bytes());
  }
  if (rows % kStripRows != 0) {
    uint8_t* last = data + (strips - 1) * matrix_.strip_bytes_;
    std::memset(last, 0, static_cast<size_t>(matrix_.strip_bytes_));
    for (int64_t g = 0; type == WeightType::kQ8 && g < groups_of(columns); ++g) {
      std::memset(last + g * group_bytes_of(type), 128, static_cast<size_t>(code_bytes_of(type)));
    }
  }
}

// Biased by 128 because the instruction multiplies unsigned by signed bytes: the weights take the
// unsigned side, and the kernels subtract 128 times the sum of the activations again, exactly.
void Packer::put_q8(int64_t row, int64_t group, const int8_t* values, int64_t n, uint16_t scale) {
  uint8_t* strip = matrix_.buffer_.data() + row / kStripRows * matrix_.strip_bytes_;
  uint8_t* to = strip + q8_at(row, group * kGroup);
  uint8_t biased[kGroup];
  for (int64_t i = 0; i < n; ++i) biased[i] = static_cast<uint8_t>(int{values[i]} + 128);
  for (int64_t i = 0; i < n; i += 4) {  // four columns lie together, the next four a line further
    std::memcpy(to + i / 4 * kLineBytes, biased + i,
                static_cast<size_t>(std::min<int64_t>(4, n - i)));
  }
  std::memcpy(strip + scale_at(WeightType::kQ8, group, row), &scale, 2);
}

void Packer::set_row(int64_t row, std::span<const float> values) {
  const int64_t columns = matrix_.columns_;
  CHECK(row >= 0 && row < matrix_.rows_, "row {} of {}", row, matrix_.rows_);
  CHECK(std::ssize(values) == columns, "{} values for {} columns", values.size(), columns);
  CHECK(matrix_.type_ != WeightType::kQ4Centred, "q4c takes codes only");
  if (matrix_.type_ == WeightType::kQ4) return set_row_as_q4(row, values);
  if (matrix_.type_ == WeightType::kQ8) {
    for (int64_t at = 0; at < columns; at += kGroup) {
      const int64_t n = std::min<int64_t>(kGroup, columns - at);
      float most = 0;
      for (int64_t i = 0; i < n; ++i) most = std::max(most, std::abs(values[at + i]));
      const uint16_t scale = f16_of_float(std::min(most / 127.0f, 65504.0f));
      const float step = float_of_f16(scale);
      const float inverse = step > 0 ? 1.0f / step : 0.0f;
      int8_t q[kGroup];
      for (int64_t i = 0; i < n; ++i) {
        q[i] = rounded(std::clamp(values[at + i] * inverse, -127.0f, 127.0f));
      }
      put_q8(row, at / kGroup, q, n, scale);
    }
    return;
  }
  uint8_t* strip = matrix_.buffer_.data() + row / kStripRows * matrix_.strip_bytes_;
  for (int64_t k = 0; k < columns; ++k) {
    const int64_t at = k * kStripRows + row % kStripRows;
    if (matrix_.type_ == WeightType::kF32) {
      std::memcpy(strip + at * 4, &values[k], 4);
    } else {
      const uint16_t raw = matrix_.type_ == WeightType::kBF16 ? bf16_of_float(values[k])
                                                              : f16_of_float(values[k]);
      std::memcpy(strip + at * 2, &raw, 2);
    }
  }
}

void Packer::set_row_f32(int64_t row, const void* values) {
  std::vector<float> floats(static_cast<size_t>(matrix_.columns_));
  std::memcpy(floats.data(), values, floats.size() * 4);
  set_row(row, floats);
}

void Packer::set_row_bf16(int64_t row, const void* values) {
  std::vector<float> floats(static_cast<size_t>(matrix_.columns_));
  for (size_t k = 0; k < floats.size(); ++k) {
    uint16_t raw;
    std::memcpy(&raw, static_cast<const uint8_t*>(values) + k * 2, 2);
    floats[k] = float_of_bf16(raw);
  }
  set_row(row, floats);
}

void Packer::set_row_f16(int64_t row, const void* values) {
  std::vector<float> floats(static_cast<size_t>(matrix_.columns_));
  for (size_t k = 0; k < floats.size(); ++k) {
    uint16_t raw;
    std::memcpy(&raw, static_cast<const uint8_t*>(values) + k * 2, 2);
    floats[k] = float_of_f16(raw);
  }
  set_row(row, floats);
}

void Packer::set_row_q8(int64_t row, const void* values, const void* scales) {
  CHECK(matrix_.type_ == WeightType::kQ8);
  CHECK(row >= 0 && row < matrix_.rows_, "row {} of {}", row, matrix_.rows_);
  for (int64_t at = 0; at < matrix_.columns_; at += kGroup) {
    uint16_t scale;
    std::memcpy(&scale, static_cast<const uint8_t*>(scales) + at / kGroup * 2, 2);
    put_q8(row, at / kGroup, static_cast<const int8_t*>(values) + at,
           std::min<int64_t>(kGroup, matrix_.columns_ - at), scale);
  }
}

void Packer::set_row_as_q4(int64_t row, std::span<const float> values) {
  const auto groups = static_cast<size_t>(groups_of(matrix_.columns_));
  std::vector<uint8_t> codes(values.size());
  std::vector<uint16_t> scales(groups);
  std::vector<uint16_t> offsets(groups);
  for (size_t g = 0; g < groups; ++g) {
    const size_t at = g * kGroup;
    const std::span<const float> group = values.subspan(at, std::min<size_t>(kGroup,
                                                                             values.size() - at));
    const Q4Group made = quantise_q4(group, codes.data() + at);
    scales[g] = made.scale;
    offsets[g] = made.offset;
  }
  set_row_q4(row, codes.data(), scales.data(), offsets.data());
}

void Packer::set_row_q4(int64_t row, const uint8_t* codes, const uint16_t* scales,
                        const uint16_t* offsets) {
  CHECK(matrix_.type_ == (offsets != nullptr ? WeightType::kQ4 : WeightType::kQ4Centred));
  CHECK(row >= 0 && row < matrix_.rows_, "row {} of {}", row, matrix_.rows_);
  uint8_t* strip = matrix_.buffer_.data() + row / kStripRows * matrix_.strip_bytes_;
  const int64_t columns = matrix_.columns_;
  for (int64_t k = 0; k < columns; k += 8) {
    for (int64_t i = k; i < std::min(columns, k + 4); ++i) {
      const int high = i + 4 < columns ? codes[i + 4] << 4 : 0;
      strip[q4_at(matrix_.type_, row, i).byte] = static_cast<uint8_t>(codes[i] | high);
    }
  }
  for (int64_t g = 0; g < groups_of(columns); ++g) {
    uint8_t* to = strip + scale_at(matrix_.type_, g, row);
    std::memcpy(to, scales + g, 2);
    if (offsets != nullptr) std::memcpy(to + kStripRows * 2, offsets + g, 2);
  }
}

Matrix Packer::finish() && { return std::move(matrix_); }

Matrix pack(WeightType type, WeightType source, const void* values, int64_t rows,
            int64_t columns) {
  CHECK(!is_quantised(source), "quantised rows carry scales: pack_q8");
  Packer packer(type, rows, columns);
  const auto* bytes = static_cast<const uint8_t*>(values);
  for (int64_t row = 0; row < rows; ++row) {
    const uint8_t* at = bytes + row * columns * element_bytes(source);
    if (source == WeightType::kF32) packer.set_row_f32(row, at);
    if (source == WeightType::kBF16) packer.set_row_bf16(row, at);
    if (source == WeightType::kF16) packer.set_row_f16(row, at);
  }
  return std::move(packer).finish();
}

Matrix pack_q8(const void* values, const void* scales, int64_t rows, int64_t columns) {
  Packer packer(WeightType::kQ8, rows, columns);
  for (int64_t row = 0; row < rows; ++row) {
    packer.set_row_q8(row, static_cast<const uint8_t*>(values) + row * columns,
                      static_cast<const uint8_t*>(scales) + row * groups_of(columns) * 2);
  }
  return std::move(packer).finish();
}

}  // namespace weft::tensor
