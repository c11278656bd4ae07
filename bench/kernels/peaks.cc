// SPDX-License-Identifier: Apache-2.0
#include "peaks.h"

#include <immintrin.h>

namespace weft::bench {
namespace {

constexpr int kRounds = 1'000'000;
constexpr int kChains = 10;  // enough to hide a latency of 5 at two a cycle

[[gnu::target("avx512f")]] float multiply_add_512() {
  __m512 acc[kChains];
  for (auto& a : acc) a = _mm512_set1_ps(1.0f);
  __m512 x = _mm512_set1_ps(0.999f);
  asm volatile("" : "+v"(x));
  for (int i = 0; i < kRounds; ++i) {
#pragma GCC unroll 16
    for (auto& a : acc) a = _mm512_fmadd_ps(a, x, x);
  }
  __m512 sum = acc[0];
  for (auto& a : acc) sum = _mm512_add_ps(sum, a);
  return _mm512_cvtss_f32(sum);
}

// Named sums in one statement: an array of them would be stored after every product, and a store
// of 64 bytes takes twice as long as a product.
[[gnu::target("avx512f,avx512vnni")]] int32_t dot_512() {
  static_assert(kChains == 10);
  __m512i x = _mm512_set1_epi32(0x01020304);
  __m512i a = _mm512_set1_epi32(1);
  __m512i b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a;
  for (int round = 0; round < kRounds; ++round) {
    asm volatile(
        "vpdpbusd %10, %10, %0\n\tvpdpbusd %10, %10, %1\n\tvpdpbusd %10, %10, %2\n\t"
        "vpdpbusd %10, %10, %3\n\tvpdpbusd %10, %10, %4\n\tvpdpbusd %10, %10, %5\n\t"
        "vpdpbusd %10, %10, %6\n\tvpdpbusd %10, %10, %7\n\tvpdpbusd %10, %10, %8\n\t"
        "vpdpbusd %10, %10, %9"
        : "+v"(a), "+v"(b), "+v"(c), "+v"(d), "+v"(e), "+v"(f), "+v"(g), "+v"(h), "+v"(i), "+v"(j)
        : "v"(x));
  }
  __m512i sum = _mm512_add_epi32(a, b);
  for (const __m512i& one : {c, d, e, f, g, h, i, j}) sum = _mm512_add_epi32(sum, one);
  alignas(64) int32_t lanes[16];
  _mm512_store_si512(lanes, sum);
  return lanes[0];
}

[[gnu::target("avx512f,avx512bf16")]] float dot_bf16_512() {
  static_assert(kChains == 10);
  __m512i x = _mm512_set1_epi32(0x3f003f00);  // two halves
  __m512 a = _mm512_set1_ps(1.0f);
  __m512 b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a;
  for (int round = 0; round < kRounds; ++round) {
    asm volatile(
        "vdpbf16ps %10, %10, %0\n\tvdpbf16ps %10, %10, %1\n\tvdpbf16ps %10, %10, %2\n\t"
        "vdpbf16ps %10, %10, %3\n\tvdpbf16ps %10, %10, %4\n\tvdpbf16ps %10, %10, %5\n\t"
        "vdpbf16ps %10, %10, %6\n\tvdpbf16ps %10, %10, %7\n\tvdpbf16ps %10, %10, %8\n\t"
        "vdpbf16ps %10, %10, %9"
        : "+v"(a), "+v"(b), "+v"(c), "+v"(d), "+v"(e), "+v"(f), "+v"(g), "+v"(h), "+v"(i), "+v"(j)
        : "v"(x));
  }
  __m512 sum = _mm512_add_ps(a, b);
  for (const __m512& one : {c, d, e, f, g, h, i, j}) sum = _mm512_add_ps(sum, one);
  return _mm512_cvtss_f32(sum);
}

[[gnu::target("avx2,fma")]] float multiply_add_256() {
  __m256 acc[kChains];
  for (auto& a : acc) a = _mm256_set1_ps(1.0f);
  __m256 x = _mm256_set1_ps(0.999f);
  asm volatile("" : "+x"(x));
  for (int i = 0; i < kRounds; ++i) {
#pragma GCC unroll 16
    for (auto& a : acc) a = _mm256_fmadd_ps(a, x, x);
  }
  __m256 sum = acc[0];
  for (auto& a : acc) sum = _mm256_add_ps(sum, a);
  return _mm256_cvtss_f32(sum);
}

[[gnu::target("avx2")]] int32_t dot_256() {
  __m256i acc[kChains];
  for (auto& a : acc) a = _mm256_set1_epi32(1);
  __m256i x = _mm256_set1_epi32(0x01020304);
  const __m256i ones = _mm256_set1_epi16(1);
  asm volatile("" : "+x"(x));
  for (int i = 0; i < kRounds; ++i) {
#pragma GCC unroll 16
    for (auto& a : acc) {  // x changes with a, or the products would leave the loop
      const __m256i pairs = _mm256_maddubs_epi16(x, _mm256_sign_epi8(x, a));
      a = _mm256_add_epi32(a, _mm256_madd_epi16(pairs, ones));
    }
  }
  __m256i sum = acc[0];
  for (auto& a : acc) sum = _mm256_add_epi32(sum, a);
  return _mm_cvtsi128_si32(_mm256_castsi256_si128(sum));
}

}  // namespace

// Four streams at once keep more cache lines in flight than one.
uint64_t read_all(const void* memory, int64_t bytes) {
  const auto* p = static_cast<const __m128i*>(memory);
  const int64_t quarter = bytes / 64;
  __m128i sum[8] = {};
  for (int64_t i = 0; i < quarter; i += 4) {
#pragma GCC unroll 4
    for (int stream = 0; stream < 4; ++stream) {
      const __m128i* at = p + stream * quarter + i;
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        const int s = (stream * 4 + j) % 8;
        sum[s] = _mm_add_epi64(sum[s], _mm_loadu_si128(at + j));
      }
    }
  }
  for (int j = 1; j < 8; ++j) sum[0] = _mm_add_epi64(sum[0], sum[j]);
  return static_cast<uint64_t>(_mm_cvtsi128_si64(sum[0])) +
         static_cast<uint64_t>(_mm_extract_epi16(sum[0], 4));
}

// int8: 4 products a 32-bit lane, bf16: 2. The AVX2 figure is of the sequence that 8-bit weights
// take; that of 4-bit codes is shorter and may pass it. AMX is shown as a share of what AVX-512 can
// do.
Peaks peaks_of(std::string_view table) {
  constexpr double kPerLane = 2.0 * kRounds * kChains;
  if (table == "avx2") {
    return {8 * kPerLane, multiply_add_256, dot_256, multiply_add_256, 1};
  }
  if (__builtin_cpu_supports("avx512bf16") == 0) {
    return {16 * kPerLane, multiply_add_512, dot_512, multiply_add_512, 1};
  }
  return {16 * kPerLane, multiply_add_512, dot_512, dot_bf16_512, 2};
}

}  // namespace weft::bench
