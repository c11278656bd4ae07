// SPDX-License-Identifier: Apache-2.0
#include "int8_matrix.h"

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

namespace weft_training {
namespace {

constexpr int kLanes = 16;
constexpr int kPanel = 64;      // outputs handled at a time: four vectors
constexpr int kRows = 6;        // rows handled at a time: 24 sums stay in registers
constexpr int kRowBlock = 192;  // rounded rows alive at a time: they stay in the L2 cache
constexpr int kBytes = 4;       // inputs that one instruction adds up
constexpr int kOffset = 128;    // makes the weights unsigned, as the instruction wants one operand

struct RoundedRows {
  std::vector<int8_t> values;
  std::vector<float> scales;
  std::vector<int> sums;
};

void round_row(const float* x, int8_t* out, int width, float* scale, int* sum) {
  __m512 high = _mm512_setzero_ps();
  for (int j = 0; j < width; j += kLanes)
    high = _mm512_max_ps(high, _mm512_abs_ps(_mm512_loadu_ps(x + j)));
  const float highest = _mm512_reduce_max_ps(high);
  *scale = highest / 127.0f;
  const __m512 by = _mm512_set1_ps(highest > 0 ? 127.0f / highest : 0.0f);
  __m512i total = _mm512_setzero_si512();
  for (int j = 0; j < width; j += kLanes) {
    const __m512i whole = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + j), by));
    total = _mm512_add_epi32(total, whole);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + j), _mm512_cvtsepi32_epi8(whole));
  }
  *sum = _mm512_reduce_add_epi32(total);
}

struct Tile {
  const int8_t* x;
  const float* x_scales;
  const int* x_sums;
  const uint8_t* panel;
  const float* scales;
  float* y;
  int64_t y_stride;
  int inputs;
  int vectors;  // of 16 outputs that are really there
  bool accumulate;
};

// _mm512_dpbusd_epi32, as text: GCC 12 keeps the sums of the intrinsic in memory.
[[gnu::always_inline]] inline void add_products(__m512i& sum, __m512i w, __m512i x) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(w), "v"(x));
}

// Calls f(0), f(1), ... with constants, so that an array indexed by them can live in registers.
template <int Count, typename Function>
[[gnu::always_inline]] inline void unrolled(Function f) {
  [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
    (f(std::integral_constant<int, I>{}), ...);
  }(std::make_integer_sequence<int, Count>{});
}

// The sums start at minus what the offset adds: sum(x * (w + 128)) - 128 * sum(x).
template <int Rows>
void multiply_tile(const Tile& t) {
  __m512i sums[Rows][4];
  unrolled<Rows>([&](auto r) __attribute__((always_inline)) {
    unrolled<4>([&](auto v) __attribute__((always_inline)) {
      sums[r][v] = _mm512_set1_epi32(-kOffset * t.x_sums[r]);
    });
  });
  const uint8_t* w = t.panel;
  for (int k = 0; k < t.inputs; k += kBytes, w += kPanel * kBytes) {
    const __m512i w0 = _mm512_loadu_si512(w), w1 = _mm512_loadu_si512(w + 64);
    const __m512i w2 = _mm512_loadu_si512(w + 128), w3 = _mm512_loadu_si512(w + 192);
    unrolled<Rows>([&](auto r) __attribute__((always_inline)) {
      int four;
      std::memcpy(&four, t.x + static_cast<int64_t>(r) * t.inputs + k, sizeof four);
      const __m512i x = _mm512_set1_epi32(four);
      add_products(sums[r][0], w0, x);
      add_products(sums[r][1], w1, x);
      add_products(sums[r][2], w2, x);
      add_products(sums[r][3], w3, x);
    });
  }
  unrolled<Rows>([&](auto r) __attribute__((always_inline)) {
    const __m512 scale = _mm512_set1_ps(t.x_scales[r]);
    unrolled<4>([&](auto v) __attribute__((always_inline)) {
      if (v >= t.vectors) return;
      float* out = t.y + r * t.y_stride + v * kLanes;
      const __m512 both = _mm512_mul_ps(scale, _mm512_loadu_ps(t.scales + v * kLanes));
      __m512 value = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[r][v]), both);
      if (t.accumulate) value = _mm512_add_ps(value, _mm512_loadu_ps(out));
      _mm512_storeu_ps(out, value);
    });
  });
}

void multiply_rows(const Tile& t, int rows) {
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
                       outputs, inputs, std::min(4, (outputs - n) / kLanes), accumulate},
                      std::min(kRows, count - i));
  }
}

}  // namespace weft_training
