// SPDX-License-Identifier: Apache-2.0
//
// AVX2 with FMA and F16C, the oldest machine served: 16 lanes are two registers. What each
// primitive means is written in scalar.cc.
#include <immintrin.h>
#include <stdint.h>

#include "tensor/kernels/table.h"

namespace weft::tensor {
namespace {

constexpr int kPanelF32 = 6;  // 12 accumulators, 2 weights, 1 activation of 16 registers
constexpr int kPanelQ8 = 4;   // 8 integer accumulators, 4 for the weights: the rest waits in memory
constexpr int kFewTokens = 1;
constexpr int kHalvesMany = 1;
constexpr int kScorePairs = 2;
constexpr int kValuePairs = 2;
constexpr int kValueVectors = 2;

struct Floats {
  __m256 a, b;
};
struct Ints {
  __m256i a, b;
};
// A weight splits into its absolute value (unsigned, up to 128) and its sign, which dot4 gives to
// the activation. The other way round would be wrong for -128, which has no positive int8.
struct Bytes {
  __m256i size_a, size_b, signed_a, signed_b;
};
struct Four {
  __m256i a;
};
struct Codes {
  __m256i a, b;
};

inline __m256i first_mask(int n, int from) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n - from), lanes);
}
inline Floats load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline Floats load_first(const float* p, int n) {
  // a masked-out lane is not read, so the addresses beyond n need not exist
  return {_mm256_maskload_ps(p, first_mask(n, 0)), _mm256_maskload_ps(p + 8, first_mask(n, 8))};
}
inline void store(float* p, Floats v) {
  _mm256_storeu_ps(p, v.a);
  _mm256_storeu_ps(p + 8, v.b);
}
inline void store_first(float* p, Floats v, int n) {
  _mm256_maskstore_ps(p, first_mask(n, 0), v.a);
  _mm256_maskstore_ps(p + 8, first_mask(n, 8), v.b);
}
inline Floats keep_first(Floats v, int n) {
  return {_mm256_and_ps(v.a, _mm256_castsi256_ps(first_mask(n, 0))),
          _mm256_and_ps(v.b, _mm256_castsi256_ps(first_mask(n, 8)))};
}
inline Floats splat(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline Floats add(Floats x, Floats y) {
  return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)};
}
inline Floats sub(Floats x, Floats y) {
  return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)};
}
inline Floats mul(Floats x, Floats y) {
  return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)};
}
inline Floats div(Floats x, Floats y) {
  return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)};
}
inline Floats fma(Floats x, Floats y, Floats z) {
  return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
inline Floats max(Floats x, Floats y) {
  return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)};
}
inline Floats min(Floats x, Floats y) {
  return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)};
}
inline Floats absolute(Floats x) {
  const __m256 mask = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  return {_mm256_and_ps(x.a, mask), _mm256_and_ps(x.b, mask)};
}
inline Floats choose_less(Floats x, Floats y, Floats yes, Floats no) {
  return {_mm256_blendv_ps(no.a, yes.a, _mm256_cmp_ps(x.a, y.a, _CMP_LT_OQ)),
          _mm256_blendv_ps(no.b, yes.b, _mm256_cmp_ps(x.b, y.b, _CMP_LT_OQ))};
}
inline Floats choose_ordered(Floats x, Floats yes) {
  return {_mm256_blendv_ps(yes.a, x.a, _mm256_cmp_ps(x.a, x.a, _CMP_UNORD_Q)),
          _mm256_blendv_ps(yes.b, x.b, _mm256_cmp_ps(x.b, x.b, _CMP_UNORD_Q))};
}
inline float reduce_add(Floats x) {
  const __m256 eight = _mm256_add_ps(x.a, x.b);
  __m128 v = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  v = _mm_add_ps(v, _mm_movehl_ps(v, v));
  return _mm_cvtss_f32(_mm_add_ss(v, _mm_shuffle_ps(v, v, 1)));
}
inline float reduce_max(Floats x) {
  const __m256 eight = _mm256_max_ps(x.a, x.b);
  __m128 v = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  v = _mm_max_ps(v, _mm_movehl_ps(v, v));
  return _mm_cvtss_f32(_mm_max_ss(v, _mm_shuffle_ps(v, v, 1)));
}

inline Ints bits(Floats x) { return {_mm256_castps_si256(x.a), _mm256_castps_si256(x.b)}; }
inline Floats floats_of(Ints x) { return {_mm256_castsi256_ps(x.a), _mm256_castsi256_ps(x.b)}; }
inline Floats to_float(Ints x) { return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
inline Ints splat_int(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
inline Ints iadd(Ints x, Ints y) {
  return {_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)};
}
inline Ints isub(Ints x, Ints y) {
  return {_mm256_sub_epi32(x.a, y.a), _mm256_sub_epi32(x.b, y.b)};
}
inline Ints iand(Ints x, Ints y) {
  return {_mm256_and_si256(x.a, y.a), _mm256_and_si256(x.b, y.b)};
}
template <int N>
inline Ints shift_left(Ints x) {
  return {_mm256_slli_epi32(x.a, N), _mm256_slli_epi32(x.b, N)};
}
template <int N>
inline Ints shift_right(Ints x) {
  return {_mm256_srai_epi32(x.a, N), _mm256_srai_epi32(x.b, N)};
}
inline void store_bytes(int8_t* p, Ints x) {
  const __m256i mask = _mm256_set1_epi32(0xff);
  const __m256i words =
      _mm256_packus_epi32(_mm256_and_si256(x.a, mask), _mm256_and_si256(x.b, mask));
  const __m256i ordered = _mm256_permute4x64_epi64(words, 0xd8);
  const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(ordered),
                                         _mm256_extracti128_si256(ordered, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
}

inline __m256 bf16_half(const uint16_t* p) {
  const __m128i raw = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(raw), 16));
}
inline Floats from_bf16(const uint16_t* p) { return {bf16_half(p), bf16_half(p + 8)}; }
inline Floats from_f16(const uint16_t* p) {
  return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
          _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 8)))};
}
inline Floats splat_f16(uint16_t h) {
  const __m256 x = _mm256_cvtph_ps(_mm_set1_epi16(static_cast<int16_t>(h)));
  return {x, x};
}
inline Floats from_biased(const uint8_t* p) {
  const __m128i raw = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  const __m256i bias = _mm256_set1_epi32(128);
  const __m256i low = _mm256_cvtepu8_epi32(raw);
  const __m256i high = _mm256_cvtepu8_epi32(_mm_srli_si128(raw, 8));
  return {_mm256_cvtepi32_ps(_mm256_sub_epi32(low, bias)),
          _mm256_cvtepi32_ps(_mm256_sub_epi32(high, bias))};
}
inline void store_f16(uint16_t* p, Floats x) {
  auto* to = reinterpret_cast<__m128i*>(p);
  _mm_storeu_si128(to, _mm256_cvtps_ph(x.a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  _mm_storeu_si128(to + 1, _mm256_cvtps_ph(x.b, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

inline Ints dot_start(int32_t) { return splat_int(0); }
inline Bytes load_bytes(const uint8_t* p) {
  const __m256i bias = _mm256_set1_epi8(-128);
  const __m256i a =
      _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)), bias);
  const __m256i b =
      _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32)), bias);
  return {_mm256_abs_epi8(a), _mm256_abs_epi8(b), a, b};
}
// Keeps the sums of a chain in order: g++ would hold all products of a group first and then add
// them, which takes three times the registers there are.
inline __m256i in_order(__m256i sum) {
  __asm__("" : "+x"(sum));
  return sum;
}
// |w| <= 128 and |a| <= 127: a pair of products is at most 2 * 128 * 127 = 32,512, so the 16-bit
// sums of maddubs never saturate.
inline __m256i dot4_half(__m256i acc, __m256i size, __m256i sign, __m256i four) {
  const __m256i pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(four, sign));
  acc = _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  return in_order(acc);
}
inline Four load_four(const int8_t* p) {
  int32_t raw;
  __builtin_memcpy(&raw, p, 4);
  return {_mm256_set1_epi32(raw)};
}
inline Ints dot4(Ints acc, Bytes w, Four four) {
  return {dot4_half(acc.a, w.size_a, w.signed_a, four.a),
          dot4_half(acc.b, w.size_b, w.signed_b, four.a)};
}

inline Codes load_low_codes(const uint8_t* p) {
  const __m256i mask = _mm256_set1_epi8(15);
  const auto* from = reinterpret_cast<const __m256i*>(p);
  return {_mm256_and_si256(_mm256_loadu_si256(from), mask),
          _mm256_and_si256(_mm256_loadu_si256(from + 1), mask)};
}
inline Codes load_high_codes(const uint8_t* p) {
  const __m256i mask = _mm256_set1_epi8(15);
  const auto* from = reinterpret_cast<const __m256i*>(p);
  return {_mm256_and_si256(_mm256_srli_epi16(_mm256_loadu_si256(from), 4), mask),
          _mm256_and_si256(_mm256_srli_epi16(_mm256_loadu_si256(from + 1), 4), mask)};
}
// Pairs of products are at most 2 * 15 * 127 = 3,810, and a lane takes eight of them before
// code_total(): 30,480 fits 16 bits, so the widening is done once a group.
struct CodeSums {
  __m256i a, b;
};
inline CodeSums code_start(int32_t) { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
inline CodeSums dot4_codes(CodeSums acc, Codes w, Four four) {
  return {in_order(_mm256_add_epi16(acc.a, _mm256_maddubs_epi16(w.a, four.a))),
          in_order(_mm256_add_epi16(acc.b, _mm256_maddubs_epi16(w.b, four.a)))};
}
inline Ints code_total(CodeSums acc, int32_t start) {
  const __m256i ones = _mm256_set1_epi16(1);
  return iadd({_mm256_madd_epi16(acc.a, ones), _mm256_madd_epi16(acc.b, ones)}, splat_int(start));
}

}  // namespace
}  // namespace weft::tensor

#include "tensor/kernels/vector-inl.h"
#include "tensor/kernels/rows-inl.h"
#include "tensor/kernels/matmul-inl.h"
#include "tensor/kernels/cache-inl.h"
#include "tensor/kernels/attention-inl.h"
#include "tensor/kernels/recurrent-inl.h"
#include "tensor/kernels/table-inl.h"

namespace weft::tensor {
const KernelTable kAvx2Kernels = {"avx2", WEFT_DOT_FMA, WEFT_KERNELS_ENTRIES};
}  // namespace weft::tensor
