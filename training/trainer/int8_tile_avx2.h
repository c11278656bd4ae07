// SPDX-License-Identifier: Apache-2.0
//
// Products of bytes with AVX2, as 16-bit numbers: its instruction for bytes would saturate. What a
// tile is says int8_tile.h; sums and rounding are those of AVX-512.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "int8_tile.h"

namespace weft_training {

using Rounded = int16_t;
constexpr int kPanel = 8;  // outputs handled at a time: two vectors with two sums each
constexpr int kRows = 6;   // rows handled at a time: 12 vectors of sums stay in registers

inline void round_row(const float* x, Rounded* out, int width, float* scale, int* sum) {
  float highest = 0;
  for (int j = 0; j < width; ++j) highest = std::max(highest, std::abs(x[j]));
  *scale = highest / 127.0f;
  const __m256 by = _mm256_set1_ps(highest > 0 ? 127.0f / highest : 0.0f);
  int total = 0;
  for (int j = 0; j < width; j += 8) {
    alignas(32) int whole[8];
    _mm256_store_si256(reinterpret_cast<__m256i*>(whole),
                       _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + j), by)));
    for (int i = 0; i < 8; ++i) {
      total += whole[i];
      out[j + i] = static_cast<Rounded>(whole[i]);
    }
  }
  *sum = total;
}

template <int Rows>
void multiply_tile(const Tile<Rounded>& t) {
  __m256i sums[Rows][2];
  unrolled<Rows>([&](auto r) __attribute__((always_inline)) {
    sums[r][0] = sums[r][1] = _mm256_setzero_si256();
  });
  const uint8_t* w = t.panel;
  for (int k = 0; k < t.inputs; k += kBytes, w += kPanel * kBytes) {
    const __m128i* bytes = reinterpret_cast<const __m128i*>(w);
    const __m256i low = _mm256_cvtepu8_epi16(_mm_loadu_si128(bytes));
    const __m256i high = _mm256_cvtepu8_epi16(_mm_loadu_si128(bytes + 1));
    unrolled<Rows>([&](auto r) __attribute__((always_inline)) {
      int64_t four;
      std::memcpy(&four, t.x + static_cast<int64_t>(r) * t.inputs + k, sizeof four);
      const __m256i x = _mm256_set1_epi64x(four);
      sums[r][0] = _mm256_add_epi32(sums[r][0], _mm256_madd_epi16(low, x));
      sums[r][1] = _mm256_add_epi32(sums[r][1], _mm256_madd_epi16(high, x));
    });
  }
  unrolled<Rows>([&](auto r) __attribute__((always_inline)) {
    const __m256i pairs = _mm256_hadd_epi32(sums[r][0], sums[r][1]);
    const __m256i sum = _mm256_sub_epi32(_mm256_permute4x64_epi64(pairs, 0xd8),
                                         _mm256_set1_epi32(kOffset * t.x_sums[r]));
    float* out = t.y + r * t.y_stride;
    const __m256 both = _mm256_mul_ps(_mm256_set1_ps(t.x_scales[r]), _mm256_loadu_ps(t.scales));
    __m256 value = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), both);
    if (t.accumulate) value = _mm256_add_ps(value, _mm256_loadu_ps(out));
    _mm256_storeu_ps(out, value);
  });
}

}  // namespace weft_training
