// SPDX-License-Identifier: Apache-2.0
//
// Products of bytes with AVX-512 VNNI: four inputs in one instruction. What a tile is says
// int8_tile.h; the plain sums that these must equal are those of AVX2.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "int8_tile.h"

namespace weft_training {

using Rounded = int8_t;
constexpr int kLanes = 16;
constexpr int kPanel = 64;  // outputs handled at a time: four vectors
constexpr int kRows = 6;    // rows handled at a time: 24 sums stay in registers

inline void round_row(const float* x, Rounded* out, int width, float* scale, int* sum) {
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

// _mm512_dpbusd_epi32, as text: GCC 12 keeps the sums of the intrinsic in memory.
[[gnu::always_inline]] inline void add_products(__m512i& sum, __m512i w, __m512i x) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(w), "v"(x));
}

// The sums start at minus what the offset adds: sum(x * (w + 128)) - 128 * sum(x).
template <int Rows>
void multiply_tile(const Tile<Rounded>& t) {
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
      if (v * kLanes >= t.outputs) return;
      float* out = t.y + r * t.y_stride + v * kLanes;
      const __m512 both = _mm512_mul_ps(scale, _mm512_loadu_ps(t.scales + v * kLanes));
      __m512 value = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[r][v]), both);
      if (t.accumulate) value = _mm512_add_ps(value, _mm512_loadu_ps(out));
      _mm512_storeu_ps(out, value);
    });
  });
}

}  // namespace weft_training
