// SPDX-License-Identifier: Apache-2.0
#include "tensor/matrix.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "tensor/half.h"
#include "tensor/quantise.h"
#include "tensor/test_numbers.h"

namespace weft::tensor {
namespace {

TEST(Half, EveryPatternSurvivesTheWayThereAndBack) {
  for (uint32_t raw = 0; raw < 0x10000; ++raw) {
    const auto h = static_cast<uint16_t>(raw);
    if (std::isnan(float_of_f16(h))) {
      EXPECT_TRUE(std::isnan(float_of_f16(f16_of_float(float_of_f16(h)))));
    } else {
      ASSERT_EQ(f16_of_float(float_of_f16(h)), h);
      ASSERT_EQ(float_of_f16(h), static_cast<float>(std::bit_cast<_Float16>(h)));
    }
    if (std::isnan(float_of_bf16(h))) {
      EXPECT_TRUE(std::isnan(float_of_bf16(bf16_of_float(float_of_bf16(h)))));
    } else {
      ASSERT_EQ(bf16_of_float(float_of_bf16(h)), h);
    }
  }
}

TEST(Half, RoundsToNearestEvenAsTheCompilerDoes) {
  TestNumbers numbers(1);
  for (int i = 0; i < 2'000'000; ++i) {
    const auto x = std::bit_cast<float>(static_cast<uint32_t>(numbers.next()));
    if (std::isnan(x)) continue;
    ASSERT_EQ(f16_of_float(x), std::bit_cast<uint16_t>(static_cast<_Float16>(x))) << x;
  }
  EXPECT_EQ(bf16_of_float(1.00390625f), 0x3f80);   // tie, even below
  EXPECT_EQ(bf16_of_float(1.01171875f), 0x3f82);   // tie, even above
  EXPECT_EQ(bf16_of_float(3.4e38f), 0x7f80);       // rounds to infinity
}

TEST(Matrix, KeepsEveryValueOfItsOwnType) {
  TestNumbers numbers(2);
  for (const auto& [rows, columns] : {std::pair<int64_t, int64_t>{1, 1}, {16, 32}, {17, 33},
                                      {100, 70}}) {
    auto values = numbers.normals(rows * columns);
    std::vector<uint16_t> bf16, f16;
    for (const float x : values) {
      bf16.push_back(bf16_of_float(x));
      f16.push_back(f16_of_float(x));
    }
    // an odd address, as a mapped file may have
    std::vector<uint8_t> shifted(values.size() * 4 + 1);
    std::vector<float> row(columns);
    const auto check = [&](WeightType type, const void* data, size_t bytes, auto expected) {
      std::memcpy(shifted.data() + 1, data, bytes);
      const Matrix m = pack(type, type, shifted.data() + 1, rows, columns);
      EXPECT_EQ(m.rows(), rows);
      EXPECT_EQ(m.columns(), columns);
      EXPECT_EQ(Matrix::bytes_of(type, rows, columns), m.bytes());
      for (int64_t r = 0; r < rows; ++r) {
        m.read_row(r, row);
        for (int64_t k = 0; k < columns; ++k) ASSERT_EQ(row[k], expected(r * columns + k));
      }
    };
    check(WeightType::kF32, values.data(), values.size() * 4, [&](int64_t i) { return values[i]; });
    check(WeightType::kBF16, bf16.data(), bf16.size() * 2,
          [&](int64_t i) { return float_of_bf16(bf16[i]); });
    check(WeightType::kF16, f16.data(), f16.size() * 2,
          [&](int64_t i) { return float_of_f16(f16[i]); });
  }
}

TEST(Matrix, KeepsQ8RowsIncludingMinus128) {
  const int64_t rows = 19, columns = 70, groups = 3;
  TestNumbers numbers(3);
  std::vector<int8_t> values(rows * columns);
  for (int8_t& q : values) q = static_cast<int8_t>(numbers.below(256) - 128);
  values[5] = -128;
  std::vector<uint16_t> scales(rows * groups);
  for (uint16_t& s : scales) s = f16_of_float(std::fabs(numbers.normal()) * 0.01f);
  const Matrix m = pack_q8(values.data(), scales.data(), rows, columns);
  std::vector<float> row(columns);
  for (int64_t r = 0; r < rows; ++r) {
    m.read_row(r, row);
    for (int64_t k = 0; k < columns; ++k) {
      ASSERT_EQ(row[k], static_cast<float>(values[r * columns + k]) *
                            float_of_f16(scales[r * groups + k / 32]));
    }
  }
}

TEST(Matrix, QuantisesWithinHalfAStep) {
  const int64_t rows = 20, columns = 100;
  TestNumbers numbers(4);
  auto values = numbers.normals(rows * columns);
  for (int64_t k = 32; k < 64; ++k) values[k] = 0;  // a group of zeros
  values[3 * columns] = 1e30f;                      // a scale beyond f16 is cut, never infinite
  const Matrix m = pack(WeightType::kQ8, WeightType::kF32, values.data(), rows, columns);
  std::vector<float> row(columns);
  for (int64_t r = 0; r < rows; ++r) {
    m.read_row(r, row);
    for (int64_t at = 0; at < columns; at += 32) {
      float most = 0;
      for (int64_t k = at; k < std::min(at + 32, columns); ++k) {
        most = std::max(most, std::fabs(values[r * columns + k]));
      }
      for (int64_t k = at; k < std::min(at + 32, columns); ++k) {
        ASSERT_TRUE(std::isfinite(row[k]));
        if (most < 1e6f) {
          ASSERT_NEAR(row[k], values[r * columns + k], most / 127 * 0.51 + most * 0x1p-11);
        }
      }
    }
  }
}

TEST(Matrix, KeepsQ4Rows) {
  const int64_t rows = 19, columns = 75, groups = 3;
  TestNumbers numbers(6);
  for (const bool offset : {true, false}) {
    Packer packer(offset ? WeightType::kQ4 : WeightType::kQ4Centred, rows, columns);
    std::vector<uint8_t> codes(rows * columns);
    for (uint8_t& code : codes) code = static_cast<uint8_t>(numbers.below(16));
    std::vector<uint16_t> scales(rows * groups), offsets(rows * groups);
    for (uint16_t& s : scales) s = f16_of_float(numbers.normal() * 0.01f);
    for (uint16_t& s : offsets) s = f16_of_float(numbers.normal() * 0.1f);
    for (int64_t r = 0; r < rows; ++r) {
      packer.set_row_q4(r, codes.data() + r * columns, scales.data() + r * groups,
                        offset ? offsets.data() + r * groups : nullptr);
    }
    const Matrix m = std::move(packer).finish();
    std::vector<float> row(columns);
    for (int64_t r = 0; r < rows; ++r) {
      m.read_row(r, row);
      for (int64_t k = 0; k < columns; ++k) {
        const float scale = float_of_f16(scales[r * groups + k / 32]);
        const int code = codes[r * columns + k];
        ASSERT_EQ(row[k], offset ? static_cast<float>(code) * scale +
                                       float_of_f16(offsets[r * groups + k / 32])
                                 : static_cast<float>(code - 8) * scale);
      }
    }
  }
}

// Against the range from the least to the largest value, rounded: what a plain quantiser does.
TEST(Matrix, FourBitsFittedBeatThePlainRange) {
  TestNumbers numbers(7);
  double plain = 0;
  double fitted = 0;
  double size = 0;
  for (int group = 0; group < 2000; ++group) {
    const auto x = numbers.normals(32);
    uint8_t codes[32];
    const Q4Group made = quantise_q4(x, codes);
    const auto [low, high] = std::minmax_element(x.begin(), x.end());
    const float step = float_of_f16(f16_of_float((*high - *low) / 15));
    const float from = float_of_f16(f16_of_float(*low));
    for (size_t i = 0; i < x.size(); ++i) {
      const double a = std::round((x[i] - from) / step) * step + from - x[i];
      const double b = codes[i] * double{float_of_f16(made.scale)} +
                       float_of_f16(made.offset) - x[i];
      plain += a * a;
      fitted += b * b;
      size += double{x[i]} * x[i];
    }
  }
  RecordProperty("relative_error_plain", std::to_string(std::sqrt(plain / size)));
  RecordProperty("relative_error_fitted", std::to_string(std::sqrt(fitted / size)));
  EXPECT_LT(fitted, 0.88 * plain);
}

TEST(Matrix, FourBitsOfDifficultGroups) {
  uint8_t codes[32];
  const auto value = [&](const Q4Group& g, int i) {
    return codes[i] * float_of_f16(g.scale) + float_of_f16(g.offset);
  };
  const std::vector<float> same(32, 0.25f);
  EXPECT_EQ(value(quantise_q4(same, codes), 7), 0.25f);
  const std::vector<float> zero(5, 0.0f);
  EXPECT_EQ(value(quantise_q4(zero, codes), 4), 0.0f);
  const std::vector<float> huge = {-3e38f, 3e38f};
  const Q4Group cut = quantise_q4(huge, codes);
  EXPECT_TRUE(std::isfinite(value(cut, 0)) && std::isfinite(value(cut, 1)));
  std::vector<float> levels;
  for (int i = 0; i < 16; ++i) levels.push_back(static_cast<float>(i) * 0.5f - 2);
  const Q4Group exact = quantise_q4(levels, codes);
  for (int i = 0; i < 16; ++i) EXPECT_EQ(value(exact, i), levels[static_cast<size_t>(i)]);
}

TEST(Matrix, RowsMaySetInAnyOrderAndMisuseDies) {
  const auto values = TestNumbers(5).normals(3 * 8);
  Packer packer(WeightType::kF32, 3, 8);
  for (const int64_t r : {2, 0, 1}) packer.set_row(r, {values.data() + r * 8, 8});
  const Matrix m = std::move(packer).finish();
  std::vector<float> row(8);
  m.read_row(1, row);
  EXPECT_TRUE(same_bits(row, {values.data() + 8, 8}));
  EXPECT_DEATH(m.read_row(3, row), "row 3 of 3");
  EXPECT_DEATH(Packer(WeightType::kF32, 0, 8), "a matrix of 0 x 8");
}

}  // namespace
}  // namespace weft::tensor
