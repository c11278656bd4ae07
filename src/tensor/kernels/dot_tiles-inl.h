// SPDX-License-Identifier: Apache-2.0
//
// y = x W^T of bf16 weights for many tokens, on a unit that multiplies whole tiles: (up to 16
// tokens x 32 columns) times (32 columns x 16 rows) is added to (tokens x rows) floats, group after
// group, just as DotKernels in table.h says. Sums stay in the unit for a piece of a strip's groups,
// and in y between the pieces.
//
// A strip's columns are brought into tiles once for all tokens, a piece at a time, so that it stays
// in the first-level cache while the panels pass by. A panel of few tokens would leave the tile
// mostly empty: it is packed for, and left to, the kernels named by the including file.
//
// That file says, over the primitives of avx512-inl.h, what the tile unit is: a class Tiles with a
// constructor (tokens a panel), zero(), load(), step() and store().
#pragma once

namespace weft::tensor {
namespace {

constexpr int kDotGroups = 8;                // brought into tiles at a time: 16 KiB
constexpr int kDotTile = kGroup * kLanes;    // [16 pairs of columns][16 rows][2]
constexpr int kDotTokenBytes = kGroup * 2;   // of a group of a panel: [m][32] bf16
constexpr int kDotTilesFrom = kPairTokens + 1;  // tokens of a panel; fewer are one of VDPBF16PS

struct DotWeights {
  alignas(64) uint16_t tiles[kDotGroups][2][kDotTile];
};

// `columns` of 32 that exist; the others are zeros.
inline void unpack_dot_group(const uint8_t* group, int64_t columns, uint16_t (&to)[2][kDotTile]) {
  const __m512i rows = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i other = _mm512_add_epi32(rows, _mm512_set1_epi32(32));  // bit 5: the other source
  const __m512i low = _mm512_or_si512(rows, _mm512_slli_epi32(other, 16));
  const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(kLanes));
  const auto column = [&](int64_t k) {
    return k < columns ? _mm512_loadu_si512(group + k * (kStripRows * 2)) : _mm512_setzero_si512();
  };
  for (int64_t j = 0; j < kGroup / 2; ++j) {
    const __m512i even = column(2 * j);
    const __m512i odd = column(2 * j + 1);
    _mm512_store_si512(to[0] + j * 32, _mm512_permutex2var_epi16(even, low, odd));
    _mm512_store_si512(to[1] + j * 32, _mm512_permutex2var_epi16(even, high, odd));
  }
}

inline void pack_dot_rows(const float* x, int64_t stride, int64_t m, int64_t k, uint8_t* panel) {
  for (int64_t at = 0; at < k; at += kGroup) {
    for (int64_t t = 0; t < m; ++t, panel += kDotTokenBytes) {
      for (int i = 0; i < kGroup; i += kLanes) {
        const int64_t left = k - at - i;
        const float* from = x + t * stride + at + i;
        const Floats values = left > 0 ? load_up_to(from, left) : splat(0.0f);
        const __m512i rounded = _mm512_srli_epi32(bits(round_bf16(values)).a, 16);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(panel + i * 2),
                            _mm512_cvtepi32_epi16(rounded));
      }
    }
  }
}

// One panel against one strip, over a piece of its groups.
struct DotPass {
  const MatmulJob* job;
  const DotWeights* weights;
  int64_t groups;
  bool first;            // there are no groups before
  bool last;
  const uint8_t* ahead;  // the next piece of weights
  int64_t ahead_bytes;   // that this pass asks memory for, of each group
  int64_t row;           // the strip's first
  int64_t token = 0;     // the panel's first
  int64_t tokens = 0;    // of the panel
  const uint8_t* panel = nullptr;  // its first group of this piece
};

// (tokens, rows) floats from one place to another.
inline void copy_sums(float* to, int64_t to_stride, const float* from, int64_t from_stride,
                      int64_t tokens, int64_t rows) {
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t i = 0; i < rows; i += kLanes) {
      store_up_to(to + t * to_stride + i, load_up_to(from + t * from_stride + i, rows - i),
                  rows - i);
    }
  }
}

template <class Tiles>
inline void run_dot_pass(Tiles& tiles, const DotPass& pass) {
  const MatmulJob* job = pass.job;
  float* y = job->y + pass.token * job->y_stride + pass.row;
  const int64_t left = job->out - pass.row;
  const int64_t rows = left < kStripRows ? left : kStripRows;
  // The unit reads and writes all that it is configured for: in y only where that exists.
  alignas(64) float room[kTileTokens * kStripRows];
  const bool whole = rows == kStripRows && pass.tokens == job->panel_tokens;
  float* sums = whole ? y : room;
  const int64_t stride = whole ? job->y_stride : kStripRows;
  if (pass.first) {
    tiles.zero();
  } else {
    if (!whole) copy_sums(room, stride, y, job->y_stride, pass.tokens, rows);
    tiles.load(sums, stride);
  }
  const uint8_t* x = pass.panel;
  for (int64_t g = 0; g < pass.groups; ++g, x += pass.tokens * kDotTokenBytes) {
    const uint8_t* ahead = pass.ahead + g * kDotGroupBytes;
    for (int64_t at = 0; at < pass.ahead_bytes; at += 64) __builtin_prefetch(ahead + at);
    tiles.step(reinterpret_cast<const uint16_t*>(x), pass.weights->tiles[g]);
  }
  tiles.store(sums, stride);
  if (!whole) copy_sums(y, job->y_stride, room, stride, pass.tokens, rows);
  if (!pass.last || job->bias == nullptr) return;
  for (int64_t t = 0; t < pass.tokens; ++t) {
    for (int64_t i = 0; i < rows; i += kLanes) {
      float* at = y + t * job->y_stride + i;
      const Floats bias = load_up_to(job->bias + pass.row + i, rows - i);
      store_up_to(at, add(load_up_to(at, rows - i), bias), rows - i);
    }
  }
}

template <class Tiles>
inline void matmul_dot_panels(const MatmulJob* job) {
  const int64_t whole = (job->k + kGroup - 1) / kGroup;
  const int64_t panels = (job->tokens + job->panel_tokens - 1) / job->panel_tokens;
  const int64_t lines = (kDotGroupBytes / 64 + panels - 1) / panels;
  Tiles tiles(static_cast<int>(job->panel_tokens));
  DotWeights weights;
  for (int64_t strip = job->strip_begin; strip < job->strip_end; ++strip) {
    const uint8_t* columns = job->weights + strip * job->strip_bytes;
    for (int64_t begin = 0; begin < whole; begin += kDotGroups) {
      const int64_t groups = whole - begin < kDotGroups ? whole - begin : kDotGroups;
      for (int64_t g = begin; g < begin + groups; ++g) {
        unpack_dot_group(columns + g * kDotGroupBytes, job->k - g * kGroup,
                         weights.tiles[g - begin]);
      }
      DotPass pass{job, &weights, groups, begin == 0, begin + groups == whole,
                   columns + (begin + groups) * kDotGroupBytes, lines * 64, strip * kStripRows};
      const uint8_t* panel = job->panels;
      for (; pass.token < job->tokens; pass.token += job->panel_tokens) {
        const int64_t left = job->tokens - pass.token;
        pass.tokens = left < job->panel_tokens ? left : job->panel_tokens;
        pass.panel = panel + begin * pass.tokens * kDotTokenBytes;
        run_dot_pass(tiles, pass);
        pass.ahead += pass.ahead_bytes;
        panel += job->panel_bytes;
      }
    }
  }
}

// `few` multiplies panels of few tokens, which lie as it likes them. Only the last one can be such.
template <class Tiles>
inline void matmul_dot_tiles(const MatmulJob* job, void (*few)(const MatmulJob*)) {
  const int64_t whole = job->tokens / job->panel_tokens;
  const int64_t rest = job->tokens % job->panel_tokens;
  MatmulJob left = *job;
  if (job->panel_tokens < kDotTilesFrom) return few(job);
  if (rest == 0 || rest >= kDotTilesFrom) return matmul_dot_panels<Tiles>(job);
  left.tokens = job->tokens - rest;
  if (whole > 0) matmul_dot_panels<Tiles>(&left);
  left.tokens = rest;
  left.panel_tokens = rest;
  left.panels = job->panels + whole * job->panel_bytes;
  left.y = job->y + whole * job->panel_tokens * job->y_stride;
  few(&left);
}

}  // namespace
}  // namespace weft::tensor
