// SPDX-License-Identifier: Apache-2.0
//
// The primitives of AVX-512 (F, BW, DQ, VL, VNNI): 16 lanes are one register. What each means is
// written in scalar.cc. Included once by each file of kernels/ that is compiled for it.
#pragma once

#include <immintrin.h>
#include <stdint.h>

namespace weft::tensor {
namespace {

// Wrapped, because a template argument or an array of a bare __m512 loses its attributes.
struct Floats {
  __m512 a;
};
struct Ints {
  __m512i a;
};
struct Bytes {
  __m512i a;
};
struct Four {
  __m512i a;
};
struct Codes {
  __m512i a;
};

inline __mmask16 first_mask(int n) { return static_cast<__mmask16>((1u << n) - 1u); }
inline Floats load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline Floats load_first(const float* p, int n) {
  return {_mm512_maskz_loadu_ps(first_mask(n), p)};
}
inline void store(float* p, Floats v) { _mm512_storeu_ps(p, v.a); }
inline void store_first(float* p, Floats v, int n) {
  _mm512_mask_storeu_ps(p, first_mask(n), v.a);
}
inline Floats keep_first(Floats v, int n) { return {_mm512_maskz_mov_ps(first_mask(n), v.a)}; }
inline Floats splat(float x) { return {_mm512_set1_ps(x)}; }
inline Floats add(Floats x, Floats y) { return {_mm512_add_ps(x.a, y.a)}; }
inline Floats sub(Floats x, Floats y) { return {_mm512_sub_ps(x.a, y.a)}; }
inline Floats mul(Floats x, Floats y) { return {_mm512_mul_ps(x.a, y.a)}; }
inline Floats div(Floats x, Floats y) { return {_mm512_div_ps(x.a, y.a)}; }
inline Floats fma(Floats x, Floats y, Floats z) { return {_mm512_fmadd_ps(x.a, y.a, z.a)}; }
inline Floats max(Floats x, Floats y) { return {_mm512_max_ps(x.a, y.a)}; }
inline Floats min(Floats x, Floats y) { return {_mm512_min_ps(x.a, y.a)}; }
inline Floats absolute(Floats x) {
  return {_mm512_and_ps(x.a, _mm512_castsi512_ps(_mm512_set1_epi32(0x7fffffff)))};
}
inline Floats choose_less(Floats x, Floats y, Floats yes, Floats no) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(x.a, y.a, _CMP_LT_OQ), no.a, yes.a)};
}
inline Floats choose_ordered(Floats x, Floats yes) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(x.a, x.a, _CMP_UNORD_Q), yes.a, x.a)};
}
inline float reduce_add(Floats x) {
  const __m256 eight =
      _mm256_add_ps(_mm512_castps512_ps256(x.a), _mm512_extractf32x8_ps(x.a, 1));
  __m128 v = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  v = _mm_add_ps(v, _mm_movehl_ps(v, v));
  return _mm_cvtss_f32(_mm_add_ss(v, _mm_shuffle_ps(v, v, 1)));
}
inline float reduce_max(Floats x) {
  const __m256 eight =
      _mm256_max_ps(_mm512_castps512_ps256(x.a), _mm512_extractf32x8_ps(x.a, 1));
  __m128 v = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  v = _mm_max_ps(v, _mm_movehl_ps(v, v));
  return _mm_cvtss_f32(_mm_max_ss(v, _mm_shuffle_ps(v, v, 1)));
}

inline Ints bits(Floats x) { return {_mm512_castps_si512(x.a)}; }
inline Floats floats_of(Ints x) { return {_mm512_castsi512_ps(x.a)}; }
inline Floats to_float(Ints x) { return {_mm512_cvtepi32_ps(x.a)}; }
inline Ints splat_int(int32_t x) { return {_mm512_set1_epi32(x)}; }
inline Ints iadd(Ints x, Ints y) { return {_mm512_add_epi32(x.a, y.a)}; }
inline Ints isub(Ints x, Ints y) { return {_mm512_sub_epi32(x.a, y.a)}; }
inline Ints iand(Ints x, Ints y) { return {_mm512_and_si512(x.a, y.a)}; }
template <int N>
inline Ints shift_left(Ints x) {
  return {_mm512_slli_epi32(x.a, N)};
}
template <int N>
inline Ints shift_right(Ints x) {
  return {_mm512_srai_epi32(x.a, N)};
}
inline void store_bytes(int8_t* p, Ints x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(x.a));
}

inline Floats from_bf16(const uint16_t* p) {
  const __m256i raw = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(raw), 16))};
}
inline Floats from_f16(const uint16_t* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}

inline Floats splat_f16(uint16_t h) {
  return {_mm512_cvtph_ps(_mm256_set1_epi16(static_cast<int16_t>(h)))};
}
inline Floats from_biased(const uint8_t* p) {
  const __m128i raw = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  const __m512i wide = _mm512_cvtepu8_epi32(raw);
  return {_mm512_cvtepi32_ps(_mm512_sub_epi32(wide, _mm512_set1_epi32(128)))};
}
inline void store_f16(uint16_t* p, Floats x) {
  const __m256i halves = _mm512_cvtps_ph(x.a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), halves);
}

// dpbusd takes the weights as they lie, biased by 128 and so unsigned: the sum starts at minus
// 128 times the activations' sum, and is exact, since nothing saturates in 32 bits.
inline Ints dot_start(int32_t offset) { return splat_int(offset); }
inline Bytes load_bytes(const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
inline Four load_four(const int8_t* p) {
  int32_t raw;
  __builtin_memcpy(&raw, p, 4);
  return {_mm512_set1_epi32(raw)};
}
inline Ints dot4(Ints acc, Bytes w, Four four) {
  return {_mm512_dpbusd_epi32(acc.a, w.a, four.a)};
}

inline Codes load_low_codes(const uint8_t* p) {
  return {_mm512_and_si512(_mm512_loadu_si512(p), _mm512_set1_epi8(15))};
}
inline Codes load_high_codes(const uint8_t* p) {
  return {_mm512_and_si512(_mm512_srli_epi16(_mm512_loadu_si512(p), 4), _mm512_set1_epi8(15))};
}
using CodeSums = Ints;
inline CodeSums code_start(int32_t start) { return splat_int(start); }
inline CodeSums dot4_codes(CodeSums acc, Codes w, Four four) {
  return {_mm512_dpbusd_epi32(acc.a, w.a, four.a)};
}
inline Ints code_total(CodeSums acc, int32_t) { return acc; }

}  // namespace
}  // namespace weft::tensor
