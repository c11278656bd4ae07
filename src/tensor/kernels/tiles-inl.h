// SPDX-License-Identifier: Apache-2.0
//
// y = x W^T of quantised weights for many tokens, on a unit that multiplies whole tiles of int8:
// (up to 16 tokens x 32 columns) times (32 columns x 16 rows) gives (tokens x rows) int32. That is
// one group, whose sums are then scaled and added as matmul-inl.h does: integers are exact and each
// output is the same chain of fma over ascending groups, so the bits are the same too.
//
// A strip's codes are unpacked to tiles of signed bytes once for all tokens, a few groups at a
// time, so that they stay in the first-level cache while the panels pass by. Sums are read only two
// groups after the tile unit has stored them: a load does not get them from a store on its way.
//
// The including file says, over the primitives of avx512-inl.h, what the tile unit is: a class
// Tiles with a constructor (tokens a panel) and multiply(). Few tokens are left to AVX-512.
#pragma once

namespace weft::tensor {
namespace {

constexpr int kTileCodes = kGroup * kLanes;  // bytes of a tile: [8][16 rows][4 columns]
constexpr int kTileGroups = 16;              // unpacked at a time: 16 KiB
constexpr int kBehind = 2;                   // groups between storing sums and reading them
constexpr int kRing = 4;                     // sums of so many groups are kept

// Groups of one strip as the tile unit reads them.
struct Unpacked {
  alignas(64) int8_t codes[kTileGroups][2][kTileCodes];
  alignas(64) float scales[kTileGroups][2][kLanes];
  alignas(64) float offsets[kTileGroups][2][kLanes];
};

inline void unpack_halves(const uint8_t* from, float (&to)[2][kLanes]) {
  for (int s = 0; s < 2; ++s) {
    store(to[s], from_f16(reinterpret_cast<const uint16_t*>(from) + s * kLanes));
  }
}

struct TilesQ8 {
  static constexpr bool kOffset = false;
  static constexpr int kCodes = 8 * kLineBytes;

  static void unpack(const uint8_t* group, int8_t (&to)[2][kTileCodes]) {
    const __m512i bias = _mm512_set1_epi8(-128);  // stored biased by 128: the top bit turns
    for (int i = 0; i < 16; ++i) {
      const __m512i codes = _mm512_loadu_si512(group + i * 64);
      _mm512_store_si512(to[i % 2] + i / 2 * 64, _mm512_xor_si512(codes, bias));
    }
  }
};

template <bool kWithOffset>
struct TilesQ4 {
  static constexpr bool kOffset = kWithOffset;
  static constexpr int kCodes = 4 * kLineBytes;

  static void unpack(const uint8_t* group, int8_t (&to)[2][kTileCodes]) {
    const __m512i nibble = _mm512_set1_epi8(15);
    const __m512i centre = _mm512_set1_epi8(kOffset ? 0 : 8);
    for (int i = 0; i < 8; ++i) {
      const __m512i codes = _mm512_loadu_si512(group + i * 64);
      const __m512i low = _mm512_and_si512(codes, nibble);
      const __m512i high = _mm512_and_si512(_mm512_srli_epi16(codes, 4), nibble);
      int8_t* line = to[i % 2] + i / 2 * 128;
      _mm512_store_si512(line, _mm512_sub_epi8(low, centre));
      _mm512_store_si512(line + 64, _mm512_sub_epi8(high, centre));
    }
  }
};

template <class Codes>
constexpr int64_t kBytesOfGroup = Codes::kCodes + kStripRows * (Codes::kOffset ? 4 : 2);

// One panel against one half of a strip, over the groups that are unpacked. y holds the sums of the
// groups before.
struct TilePass {
  const MatmulJob* job;
  const Unpacked* weights;
  int64_t groups;
  bool first;                      // there are no groups before
  bool last;
  const uint8_t* ahead;            // what to ask memory for meanwhile, or null
  int64_t ahead_step;              // bytes of it a group
  int half = 0;
  int64_t row = 0;                 // the half's first
  int64_t token = 0;               // the panel's first
  int64_t tokens = 0;              // of the panel
  const uint8_t* panel = nullptr;  // its first group of this pass
};

// acc[i] += the sums of token i, scaled.
template <class Codes, int M>
inline void add_group(const TilePass& pass, int64_t g, const int32_t* sums, Floats (&acc)[M]) {
  const uint8_t* group = pass.panel + g * pass.tokens * kPanelGroup;
  const float* scales = reinterpret_cast<const float*>(group + pass.tokens * kGroup);
  const float* scaled_sums = scales + 3 * pass.tokens;
  const Floats w_scale = load(pass.weights->scales[g][pass.half]);
#pragma GCC unroll 16
  for (int i = 0; i < M; ++i) {
    const Floats dot = {_mm512_cvtepi32_ps(_mm512_load_si512(sums + i * kLanes))};
    acc[i] = fma(dot, mul(w_scale, splat(scales[i])), acc[i]);
  }
  if constexpr (Codes::kOffset) {
    const Floats offset = load(pass.weights->offsets[g][pass.half]);
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i) acc[i] = fma(offset, splat(scaled_sums[i]), acc[i]);
  }
}

// M >= pass.tokens: what the lines beyond compute is never stored.
template <class Tiles, class Codes, int M>
inline void run_pass(const Tiles& tiles, const TilePass& pass) {
  const MatmulJob* job = pass.job;
  float* y = job->y + pass.token * job->y_stride + pass.row;
  const int64_t rows = job->out - pass.row;
  alignas(64) int32_t sums[kRing][kTileTokens * kLanes];
  Floats acc[M];
#pragma GCC unroll 16
  for (int i = 0; i < M; ++i) {
    acc[i] = pass.first || i >= pass.tokens ? splat(0.0f) : load_up_to(y + i * job->y_stride, rows);
  }
  for (int64_t g = 0; g < pass.groups + kBehind; ++g) {
    if (g < pass.groups) {
      for (int64_t at = 0; pass.ahead != nullptr && at < pass.ahead_step; at += 64) {
        __builtin_prefetch(pass.ahead + g * pass.ahead_step + at);
      }
      const uint8_t* q = pass.panel + g * pass.tokens * kPanelGroup;
      tiles.multiply(reinterpret_cast<const int8_t*>(q), pass.weights->codes[g][pass.half],
                     sums[g % kRing]);
    }
    if (g >= kBehind) add_group<Codes, M>(pass, g - kBehind, sums[(g - kBehind) % kRing], acc);
  }
  const Floats bias = pass.last && job->bias != nullptr ? load_up_to(job->bias + pass.row, rows)
                                                        : splat(0.0f);
#pragma GCC unroll 16
  for (int i = 0; i < M; ++i) {
    if (i >= pass.tokens) break;
    const Floats sum = pass.last && job->bias != nullptr ? add(acc[i], bias) : acc[i];
    store_up_to(y + i * job->y_stride, sum, rows);
  }
}

template <class Tiles, class Codes>
inline void run_panel_of(const Tiles& tiles, const TilePass& pass) {
  if (pass.tokens > 12) return run_pass<Tiles, Codes, 16>(tiles, pass);
  if (pass.tokens > 8) return run_pass<Tiles, Codes, 12>(tiles, pass);
  run_pass<Tiles, Codes, 8>(tiles, pass);
}

template <class Codes>
inline void unpack_groups(const uint8_t* group, int64_t groups, Unpacked* to) {
  for (int64_t g = 0; g < groups; ++g, group += kBytesOfGroup<Codes>) {
    Codes::unpack(group, to->codes[g]);
    unpack_halves(group + Codes::kCodes, to->scales[g]);
    if (Codes::kOffset) unpack_halves(group + Codes::kCodes + kStripRows * 2, to->offsets[g]);
  }
}

template <class Tiles, class Codes>
inline void matmul_tiles(const MatmulJob* job) {
  const int64_t whole = (job->k + kGroup - 1) / kGroup;
  const Tiles tiles(static_cast<int>(job->panel_tokens));
  Unpacked weights;
  for (int64_t strip = job->strip_begin; strip < job->strip_end; ++strip) {
    for (int64_t begin = 0; begin < whole; begin += kTileGroups) {
      const int64_t groups = whole - begin < kTileGroups ? whole - begin : kTileGroups;
      const uint8_t* codes = job->weights + strip * job->strip_bytes + begin * kBytesOfGroup<Codes>;
      unpack_groups<Codes>(codes, groups, &weights);
      const int64_t bytes = kBytesOfGroup<Codes>;
      TilePass pass{job, &weights, groups, begin == 0, begin + groups == whole,
                    codes + groups * bytes, bytes};
      const uint8_t* panel = job->panels;
      for (; pass.token < job->tokens; pass.token += job->panel_tokens) {
        const int64_t left = job->tokens - pass.token;
        pass.tokens = left < job->panel_tokens ? left : job->panel_tokens;
        pass.panel = panel + begin * pass.tokens * kPanelGroup;
        for (pass.half = 0; pass.half < 2; ++pass.half) {
          pass.row = strip * kStripRows + pass.half * kLanes;
          if (pass.row >= job->out) break;
          run_panel_of<Tiles, Codes>(tiles, pass);
          pass.ahead = nullptr;
        }
        panel += job->panel_bytes;
      }
    }
  }
}

// Below this a tile would be mostly empty, and unpacking would be most of the work.
constexpr int kTilesFrom = 7;

template <class Tiles, class Codes>
inline void matmul_many(const MatmulJob* job, void (*few)(const MatmulJob*)) {
  if (job->tokens < kTilesFrom) return few(job);
  matmul_tiles<Tiles, Codes>(job);
}

}  // namespace
}  // namespace weft::tensor
