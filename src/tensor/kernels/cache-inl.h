// SPDX-License-Identifier: Apache-2.0
//
// How each type of KV cache is written and read by attention: a Cache type says what a cached
// number is as a float, and how a tile of R queries meets the keys of a block. Layout: kv_view.h.
//
//   f32, f16   score = scale (q . k), one fma chain over ascending head_dim; a lane is a position
//   q8         queries are quantised like activations, and the keys of a block are two strips of
//              16 positions: exact integer dots, one fma a group of 32 (matmul-inl.h)
//
// A value is a float in every type (q8: code times scale, which is exact). Where many queries share
// a block of q8, its values are widened to floats once, which changes no bit. Halves are widened
// as they are read: a block of floats would take the place of everything else in the first-level
// cache, which costs twice what it saves.
// Over the primitives of the including file.
#pragma once

namespace weft::tensor {
namespace {

struct ReadF32 {
  static constexpr int64_t kBytes = 4;
  static Floats at(const uint8_t* p, int64_t i) {
    return load(reinterpret_cast<const float*>(p) + i);
  }
};
struct ReadF16 {
  static constexpr int64_t kBytes = 2;
  static Floats at(const uint8_t* p, int64_t i) {
    return from_f16(reinterpret_cast<const uint16_t*>(p) + i);
  }
};

// Into the second-level cache: it can wait for twice as many lines as the first.
constexpr int kAhead = 2;

// Keys and values as plain floats of 4 or 2 bytes.
template <class Read>
struct CachePlain {
  static constexpr int64_t kBytes = Read::kBytes;  // of a number
  static constexpr int kPairs = kScorePairs;
  static constexpr int smaller(int pairs) { return pairs / 2; }
  static constexpr bool kIntegerScores = false;
  static constexpr bool kWiden = false;

  static Floats value(const AttentionJob* job, const uint8_t* values, int64_t slot,
                      int64_t column) {
    return Read::at(values, slot * job->v_dim + column);
  }

  // s = scale (q . k) for R pairs, from the pair `at` on, and the 32 positions of a block. Asks for
  // what is needed next, unless that is null: blocks lie far apart, and no processor guesses where.
  template <int R>
  static void score(const AttentionJob* job, const float* queries, int64_t at,
                    const uint8_t* keys, const uint8_t* next, float* scores) {
    const float* q = queries + at * job->head_dim;
    Floats acc[R][2];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) acc[r][0] = acc[r][1] = splat(0.0f);
    for (int64_t d = 0; d < job->head_dim; ++d) {
      if (next != nullptr) {
        __builtin_prefetch(next + d * kBlockPositions * kBytes, 0, kAhead);
        if (kBytes == 4) __builtin_prefetch(next + d * kBlockPositions * 4 + 64, 0, kAhead);
      }
      const Floats k0 = Read::at(keys, d * kBlockPositions);
      const Floats k1 = Read::at(keys, d * kBlockPositions + 16);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        const Floats query = splat(q[r * job->head_dim + d]);
        acc[r][0] = fma(query, k0, acc[r][0]);
        acc[r][1] = fma(query, k1, acc[r][1]);
      }
    }
    store_scores<R>(job, acc, scores);
  }

  template <int R>
  static void store_scores(const AttentionJob* job, const Floats (&acc)[R][2], float* scores) {
    const Floats scale = splat(job->scale);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      store(scores + r * kSpan, mul(acc[r][0], scale));
      store(scores + r * kSpan + 16, mul(acc[r][1], scale));
    }
  }
};

using CacheF32 = CachePlain<ReadF32>;
using CacheF16 = CachePlain<ReadF16>;

struct CacheQ8 {
  static constexpr int64_t kBytes = 1;
  static constexpr int kPairs = kPanelQ8;
  static constexpr int smaller(int pairs) { return pairs - 1; }
  static constexpr bool kIntegerScores = true;
  static constexpr bool kWiden = true;

  static Floats value(const AttentionJob* job, const uint8_t* values, int64_t slot,
                      int64_t column) {
    const int64_t groups = (job->head_dim + kGroup - 1) / kGroup;
    const uint8_t* scales = values + kBlockPositions * job->v_dim;
    uint16_t scale;
    __builtin_memcpy(&scale, scales + (slot * groups + column / kGroup) * 2, 2);
    return mul(from_biased(values + slot * job->v_dim + column), splat_f16(scale));
  }

  // `queries` are panels as score_all() takes them: tiles of kPairs, then ever smaller ones.
  template <int R>
  static void score(const AttentionJob* job, const float* queries, int64_t at,
                    const uint8_t* keys, const uint8_t* next, float* scores) {
    constexpr int64_t kCodes = 8 * kLineBytes;  // bytes of a group
    const int64_t groups = (job->head_dim + kGroup - 1) / kGroup;
    const uint8_t* scales = keys + groups * kCodes;
    const Floats scale = splat(job->scale);
    for (int half = 0; half < 2; half += kHalvesMany) {
      Floats acc[kHalvesMany][R];
      for (auto& strip : acc) {
        for (Floats& a : strip) a = splat(0.0f);
      }
      const uint8_t* panel = reinterpret_cast<const uint8_t*>(queries) +
                             at * groups * kPanelGroup;
      for (int64_t g = 0; g < groups; ++g, panel += R * kPanelGroup) {
        for (int64_t line = 0; next != nullptr && line < kHalvesMany * kCodes / 2; line += 64) {
          __builtin_prefetch(next + g * kCodes + half * (kCodes / 2) + line);
        }
        group_q8<kHalvesMany, R>(keys + g * kCodes + half * 64, scales + (g * 2 + half) * 32,
                                 PanelGroup<R>(panel), acc);
      }
      for (int s = 0; s < kHalvesMany; ++s) {
        for (int r = 0; r < R; ++r) {
          store(scores + r * kSpan + (half + s) * 16, mul(acc[s][r], scale));
        }
      }
    }
  }
};

// max(x, y) is y if either is NaN: so a NaN stays one, and is found in the logits.
inline void to_f16_row(uint16_t* y, const float* x, int64_t n) {
  const Floats most = splat(65504.0f);
  const Floats least = splat(-65504.0f);
  for (int64_t i = 0; i < n; i += 16) {
    const Floats cut = min(most, max(least, load_up_to(x + i, n - i)));
    if (n - i >= 16) {
      store_f16(y + i, cut);
      continue;
    }
    uint16_t last[16];
    store_f16(last, cut);
    for (int64_t j = i; j < n; ++j) y[j] = last[j - i];
  }
}

inline void to_q8_row(uint8_t* codes, uint16_t* scales, const float* x, int64_t n) {
  const Floats magic = splat(12582912.0f);  // the low byte of (v + magic) is v as an integer
  for (int64_t at = 0; at < n; at += kGroup, codes += kGroup, ++scales) {
    const Floats a = load_up_to(x + at, n - at);
    const Floats b = n - at > 16 ? load_up_to(x + at + 16, n - at - 16) : splat(0.0f);
    const float most = reduce_max(max(absolute(a), absolute(b))) / 127.0f;
    uint16_t halves[16];
    float steps[16];
    store_f16(halves, splat(most < 65504.0f ? most : 65504.0f));
    store(steps, splat_f16(halves[0]));
    *scales = halves[0];
    const Floats inverse = splat(steps[0] > 0 ? 1.0f / steps[0] : 0.0f);
    const Floats limit = splat(127.0f);
    const Floats lowest = splat(-127.0f);
    int8_t q[kGroup];
    store_bytes(q, bits(add(min(max(mul(a, inverse), lowest), limit), magic)));
    store_bytes(q + 16, bits(add(min(max(mul(b, inverse), lowest), limit), magic)));
    for (int i = 0; i < kGroup; ++i) codes[i] = static_cast<uint8_t>(int32_t{q[i]} + 128);
  }
}

}  // namespace
}  // namespace weft::tensor
