// SPDX-License-Identifier: Apache-2.0
//
// AVX512_BF16: bf16 products by VDPBF16PS, which takes two steps of fma for each 32-bit lane, first
// with the upper halves, then with the lower ones; each is rounded to nearest even, denormals are
// zeros (Intel's manual, volume 2). The specification has one chain for even columns and one for
// odd ones (table.h): so a lane holds two neighbours of one chain, the earlier one in its upper
// half, which is columns 4i and 4i + 2, or 4i + 1 and 4i + 3. Weights lie in columns: one
// permutation makes such lanes of two of them, once for all tokens of a panel.
#include <immintrin.h>
#include <stdint.h>

#include "tensor/kernels/avx512-inl.h"
#include "tensor/kernels/table.h"

namespace weft::tensor {
namespace {

// Of 32 registers: 8 sums of each chain and 8 of y, 2 weights, 2 indices and an activation. With
// more tokens sums would go to memory once a group, which costs more than it saves: 169 Gop/s a
// core where 12 tokens, one chain after the other, have 141.
constexpr int kPanelF32 = kPairTokens;
constexpr int kPanelQ8 = 6;
constexpr int kFewTokens = 4;
constexpr int kHalvesMany = 2;

}  // namespace
}  // namespace weft::tensor

#include "tensor/kernels/vector-inl.h"
#include "tensor/kernels/matmul-inl.h"

namespace weft::tensor {
namespace {

constexpr int kChainPairs = kGroup / 4;  // of one chain of a group

// Two columns to the lanes of 16 rows: word 2r is row r of `later`, word 2r + 1 of `earlier`, where
// the rows begin with number `row`.
inline Ints pair_index(int row) {
  const __m512i rows = _mm512_add_epi32(
      _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
      _mm512_set1_epi32(row));
  const __m512i later = _mm512_add_epi32(rows, _mm512_set1_epi32(32));  // bit 5: the other source
  return {_mm512_or_si512(later, _mm512_slli_epi32(rows, 16))};
}

inline Floats dot_pairs(Floats sum, Ints w, Ints x) {
  return {_mm512_dpbf16_ps(sum.a, (__m512bh)w.a, (__m512bh)x.a)};
}

// A group of a panel: [8 pairs][2 chains][m tokens] of two bf16, the later column's first.
struct ChainPairs {
  static constexpr int kPanel = kPanelF32;
  static constexpr int64_t kTokenBytes = kGroup * 2;

  template <int S, int M>
  static void run(const uint8_t* group, const uint8_t* panel, Floats (&even)[S][M],
                  Floats (&odd)[S][M]) {
    zero_tile<S, M>(even);
    zero_tile<S, M>(odd);
    for (int pair = 0; pair < kChainPairs; ++pair) {
      const uint8_t* columns = group + 4 * pair * kColumnBytes;
      step<S, M>(columns, panel + pair * (M * 8), even);
      step<S, M>(columns + kColumnBytes, panel + pair * (M * 8) + M * 4, odd);
    }
  }

 private:
  static constexpr int kColumnBytes = kStripRows * 2;

  // Columns 0 and 2 of those from `columns` on.
  template <int S, int M>
  static void step(const uint8_t* columns, const uint8_t* x, Floats (&sum)[S][M]) {
    static_assert(S == 2, "a column is one register: both halves of a strip");
    const Ints index[S] = {pair_index(0), pair_index(kLanes)};
    const __m512i earlier = _mm512_loadu_si512(columns);
    const __m512i later = _mm512_loadu_si512(columns + 2 * kColumnBytes);
    Ints weight[S];
#pragma GCC unroll 16
    for (int s = 0; s < S; ++s) {
      weight[s] = {_mm512_permutex2var_epi16(earlier, index[s].a, later)};
    }
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) {
      int32_t raw;
      __builtin_memcpy(&raw, x + m * 4, 4);
      const Ints value = splat_int(raw);
#pragma GCC unroll 16
      for (int s = 0; s < S; ++s) sum[s][m] = dot_pairs(sum[s][m], weight[s], value);
    }
  }
};

}  // namespace

void pack_dot_pairs(const float* x, int64_t stride, int64_t m, int64_t k, uint8_t* panel) {
  for (int64_t at = 0; at < k; at += kGroup, panel += m * ChainPairs::kTokenBytes) {
    for (int64_t t = 0; t < m; ++t) {
      const float* row = x + t * stride + at;
      uint32_t rounded[kGroup];
      for (int i = 0; i < kGroup; i += kLanes) {
        const int64_t left = k - at - i;
        const Floats values = left > 0 ? load_up_to(row + i, left) : splat(0.0f);
        _mm512_storeu_si512(rounded + i, bits(round_bf16(values)).a);
      }
      uint32_t* out = reinterpret_cast<uint32_t*>(panel) + t;
      for (int i = 0; i < kGroup; i += 4, out += 2 * m) {
        out[0] = rounded[i] | rounded[i + 2] >> 16;
        out[m] = rounded[i + 1] | rounded[i + 3] >> 16;
      }
    }
  }
}

void matmul_dot_pairs(const MatmulJob* job) { matmul<TileDot<ChainPairs>>(job); }

}  // namespace weft::tensor
