// SPDX-License-Identifier: Apache-2.0
#include "int8_matrix.h"

#include <algorithm>
#include <cmath>

#ifdef __AVX512VNNI__
#include "int8_tile_avx512.h"
#else
#include "int8_tile_avx2.h"
#endif

namespace weft_training {
namespace {

constexpr int kRowBlock = 192;  // rounded rows alive at a time: they stay in the L2 cache

struct RoundedRows {
  std::vector<Rounded> values;
  std::vector<float> scales;
  std::vector<int> sums;
};

void multiply_rows(const Tile<Rounded>& t, int rows) {
  switch (rows) {
    case 1: return multiply_tile<1>(t);
    case 2: return multiply_tile<2>(t);
    case 3: return multiply_tile<3>(t);
    case 4: return multiply_tile<4>(t);
    case 5: return multiply_tile<5>(t);
    default: return multiply_tile<kRows>(t);
  }
}

RoundedRows& rounded_rows_of_this_thread() {
  thread_local RoundedRows rows;
  return rows;
}

}  // namespace

void Int8Matrix::pack(const float* values, Layout layout) {
  layout_ = layout;
  const int outputs = layout.outputs, inputs = layout.inputs;
  const int panels = (outputs + kPanel - 1) / kPanel;
  panels_.assign(static_cast<size_t>(panels) * kPanel * inputs, kOffset);
  scales_.assign(static_cast<size_t>(panels) * kPanel, 0.0f);
  std::vector<float> block(static_cast<size_t>(kPanel) * inputs);  // [inputs][64] of one panel
  for (int first = 0; first < outputs; first += kPanel) {
    const int count = std::min(kPanel, outputs - first);
    const float* from = values + first * layout.outer_stride;
    if (layout.inner_stride == 1) {
      for (int n = 0; n < count; ++n)
        for (int k = 0; k < inputs; ++k) block[k * kPanel + n] = from[n * layout.outer_stride + k];
    } else {
      for (int k = 0; k < inputs; ++k)
        for (int n = 0; n < count; ++n)
          block[k * kPanel + n] = from[k * layout.inner_stride + n * layout.outer_stride];
    }
    float highest[kPanel] = {}, by[kPanel];
    for (int k = 0; k < inputs; ++k)
      for (int n = 0; n < count; ++n)
        highest[n] = std::max(highest[n], std::abs(block[k * kPanel + n]));
    for (int n = 0; n < count; ++n) {
      scales_[first + n] = highest[n] / 127.0f;
      by[n] = highest[n] > 0 ? 127.0f / highest[n] : 0.0f;
    }
    uint8_t* panel = panels_.data() + static_cast<int64_t>(first) * inputs;
    for (int k = 0; k < inputs; ++k)
      for (int n = 0; n < count; ++n)
        panel[(k / kBytes * kPanel + n) * kBytes + k % kBytes] = static_cast<uint8_t>(
            static_cast<int>(block[k * kPanel + n] * by[n] + kOffset + 0.5f));
  }
}

void Int8Matrix::multiply(const float* x, float* y, int rows, bool accumulate) const {
  const int inputs = layout_.inputs, outputs = layout_.outputs;
  RoundedRows& a = rounded_rows_of_this_thread();
  a.values.resize(static_cast<size_t>(kRowBlock) * inputs);
  a.scales.resize(kRowBlock);
  a.sums.resize(kRowBlock);
  for (int first = 0; first < rows; first += kRowBlock) {
    const int count = std::min(kRowBlock, rows - first);
    for (int i = 0; i < count; ++i)
      round_row(x + static_cast<int64_t>(first + i) * inputs,
                a.values.data() + static_cast<int64_t>(i) * inputs, inputs, &a.scales[i],
                &a.sums[i]);
    for (int n = 0; n < outputs; n += kPanel)
      for (int i = 0; i < count; i += kRows)
        multiply_rows({a.values.data() + static_cast<int64_t>(i) * inputs, a.scales.data() + i,
                       a.sums.data() + i, panels_.data() + static_cast<int64_t>(n) * inputs,
                       scales_.data() + n, y + static_cast<int64_t>(first + i) * outputs + n,
                       outputs, inputs, std::min(kPanel, outputs - n), accumulate},
                      std::min(kRows, count - i));
  }
}

}  // namespace weft_training
