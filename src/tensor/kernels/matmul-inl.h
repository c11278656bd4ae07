// SPDX-License-Identifier: Apache-2.0
//
// y = x W^T over strips of 32 output rows: a lane is an output row, and each output is one chain of
// fma over ascending k (or ascending groups, or the chains of TileDot), so neither the number of
// tokens or threads nor the instruction set can change a bit. Speed comes from unrolling over
// halves of a strip and tokens only: a tile of H halves times M tokens takes each weight once for M
// tokens and each activation once for H halves, while its sums sit in registers. Over the
// primitives of the including file, which also says which tile fits its registers (kPanelF32,
// kPanelQ8 tokens, kHalvesMany halves).
//
// The layout of strips is told in tensor/matrix.h. With few tokens memory is the limit, and what it
// gives depends on how it is asked: one stream from the first byte to the last is prefetched by the
// processor itself, two that alternate, or codes here and scales there, reach half of that.
#pragma once

namespace weft::tensor {
namespace {

inline void pack_panel_f32(const float* x, int64_t stride, int64_t m, int64_t k, uint8_t* panel) {
  float* out = reinterpret_cast<float*>(panel);
  for (int64_t t = 0; t < m; ++t) {
    const float* row = x + t * stride;
    for (int64_t i = 0; i < k; ++i) out[i * m + t] = row[i];
  }
}

constexpr int kPackGroups = 16;  // quantised together: a lane of a vector is a group

// Up to 16 groups (n values) of one token into their panels, m tokens each. scale = max |x| / 127,
// values rounded to nearest even. A group too small for 127 / max to be a float counts as zero.
inline void pack_groups_q8(const float* x, int64_t n, int64_t token, int64_t m, uint8_t* panel) {
  const auto half = [&](int64_t at) { return n > at ? load_up_to(x + at, n - at) : splat(0.0f); };
  float scales[kPackGroups] = {};
  float inverses[kPackGroups];
  for (int g = 0; g * kGroup < n; ++g) {
    scales[g] = reduce_max(max(absolute(half(g * kGroup)), absolute(half(g * kGroup + 16))));
  }
  const Floats most = load(scales);
  const Floats least = splat(1e-30f);
  store(inverses, choose_less(least, most, div(splat(127.0f), most), splat(0.0f)));
  store(scales, choose_less(least, most, div(most, splat(127.0f)), splat(0.0f)));
  const Floats magic = splat(12582912.0f);  // the low byte of (v + magic) is v as an integer
  for (int g = 0; g * kGroup < n; ++g, panel += m * kPanelGroup) {
    const Floats inverse = splat(inverses[g]);
    const Ints a = bits(fma(half(g * kGroup), inverse, magic));
    const Ints b = bits(fma(half(g * kGroup + 16), inverse, magic));
    int8_t* q = reinterpret_cast<int8_t*>(panel) + token * kGroup;
    store_bytes(q, a);
    store_bytes(q + 16, b);
    const Ints low = iadd(shift_right<24>(shift_left<24>(a)), shift_right<24>(shift_left<24>(b)));
    const float sum = reduce_add(to_float(low));  // exact: small integers
    float* group_scales = reinterpret_cast<float*>(panel + m * kGroup);
    int32_t* sums = reinterpret_cast<int32_t*>(group_scales + m);
    group_scales[token] = scales[g];
    sums[token] = -128 * static_cast<int32_t>(sum);
    sums[m + token] = -8 * static_cast<int32_t>(sum);
    group_scales[3 * m + token] = sum * scales[g];
  }
}

inline void pack_panel_q8(const float* x, int64_t stride, int64_t m, int64_t k, uint8_t* panel) {
  constexpr int64_t kStep = kPackGroups * kGroup;
  for (int64_t at = 0; at < k; at += kStep) {
    for (int64_t t = 0; t < m; ++t) {
      pack_groups_q8(x + t * stride + at, k - at < kStep ? k - at : kStep, t, m, panel);
    }
    panel += kPackGroups * m * kPanelGroup;
  }
}

// One group of a panel of M tokens.
template <int M>
struct PanelGroup {
  const int8_t* q;         // [M][32]
  const float* scale;      // [M]
  const int32_t* minus128; // [M]: times the sum
  const int32_t* minus8;
  const float* scaled_sum;

  explicit PanelGroup(const uint8_t* at)
      : q(reinterpret_cast<const int8_t*>(at)),
        scale(reinterpret_cast<const float*>(at + M * kGroup)),
        minus128(reinterpret_cast<const int32_t*>(at + M * (kGroup + 4))),
        minus8(reinterpret_cast<const int32_t*>(at + M * (kGroup + 8))),
        scaled_sum(reinterpret_cast<const float*>(at + M * (kGroup + 12))) {}
};

// Which part of the chains a pass over the panels computes: columns (or groups) [begin, end).
// Between passes the partial sums rest in y, which changes no bit. While one pass computes, it asks
// for `ahead_lines` cache lines of the next one's weights a strip and group, the first of each
// group's `ahead_first`: several panels share this work, or memory would idle while they compute.
struct Depth {
  int64_t begin;
  int64_t end;
  bool first;
  bool last;
  int ahead_first;
  int ahead_lines;
};

// `first_row` is that of the tile; a half may lie beyond the last one.
template <int S, int M>
inline void load_tile(const MatmulJob* job, int64_t first_row, int64_t token, Depth depth,
                      Floats (&acc)[S][M]) {
#pragma GCC unroll 16
  for (int s = 0; s < S; ++s) {
    const int64_t row = first_row + s * kLanes;
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) {
      acc[s][m] = depth.first || row >= job->out
                      ? splat(0.0f)
                      : load_up_to(job->y + (token + m) * job->y_stride + row, job->out - row);
    }
  }
}

template <int S, int M>
inline void store_tile(const MatmulJob* job, int64_t first_row, int64_t token, Depth depth,
                       const Floats (&acc)[S][M]) {
  const bool with_bias = depth.last && job->bias != nullptr;
  for (int s = 0; s < S; ++s) {
    const int64_t row = first_row + s * kLanes;
    const int64_t rows = job->out - row;
    if (rows <= 0) return;
    const Floats bias = with_bias ? load_up_to(job->bias + row, rows) : splat(0.0f);
    for (int m = 0; m < M; ++m) {
      const Floats y = with_bias ? add(acc[s][m], bias) : acc[s][m];
      store_up_to(job->y + (token + m) * job->y_stride + row, y, rows);
    }
  }
}

struct WeightF32 {
  static constexpr int kBytes = 4;
  static Floats read(const uint8_t* p) { return load(reinterpret_cast<const float*>(p)); }
};
struct WeightBF16 {
  static constexpr int kBytes = 2;
  static Floats read(const uint8_t* p) { return from_bf16(reinterpret_cast<const uint16_t*>(p)); }
};
struct WeightF16 {
  static constexpr int kBytes = 2;
  static Floats read(const uint8_t* p) { return from_f16(reinterpret_cast<const uint16_t*>(p)); }
};

// S halves of a strip, from half `half` on, times M tokens of a panel of M.
template <class Weight>
struct TileFloat {
  static constexpr int kPanel = kPanelF32;
  static constexpr int kLines = 0;          // long chains: the processor looks ahead by itself
  static constexpr int64_t kDepth = 256;  // 16 KiB of f32 weights a half
  static int64_t depth(const MatmulJob* job) { return job->k; }

  template <int S, int M>
  static void run(const MatmulJob* job, int64_t strip, int half, int64_t token, Depth depth,
                  const uint8_t* panel) {
    const uint8_t* w =
        job->weights + strip * job->strip_bytes + half * (kLanes * Weight::kBytes);
    const float* x = reinterpret_cast<const float*>(panel);
    const int64_t row = strip * kStripRows + half * kLanes;
    Floats acc[S][M];
    load_tile<S, M>(job, row, token, depth, acc);
    for (int64_t k = depth.begin; k < depth.end; ++k) {
      Floats weight[S];
#pragma GCC unroll 16
      for (int s = 0; s < S; ++s) {
        weight[s] = Weight::read(w + (k * kStripRows + s * kLanes) * Weight::kBytes);
      }
#pragma GCC unroll 16
      for (int m = 0; m < M; ++m) {
        const Floats value = splat(x[k * M + m]);
#pragma GCC unroll 16
        for (int s = 0; s < S; ++s) acc[s][m] = fma(weight[s], value, acc[s][m]);
      }
    }
    store_tile<S, M>(job, row, token, depth, acc);
  }
};

// --- bf16 weights times activations rounded to bf16: DotKernels in table.h ---

// [k padded to whole groups][m] floats.
inline void pack_panel_rounded(const float* x, int64_t stride, int64_t m, int64_t k,
                               uint8_t* panel) {
  float* out = reinterpret_cast<float*>(panel);
  const int64_t padded = (k + kGroup - 1) / kGroup * kGroup;
  for (int64_t t = 0; t < m; ++t) {
    const float* row = x + t * stride;
    for (int64_t at = 0; at < padded; at += 16) {
      float rounded[16];
      store(rounded, round_bf16(at < k ? load_up_to(row + at, k - at) : splat(0.0f)));
      for (int i = 0; i < 16; ++i) out[(at + i) * m + t] = rounded[i];
    }
  }
}

// The last group of a strip, with zeros for the columns that it lacks.
inline const uint8_t* padded_group(const uint8_t* group, int64_t columns,
                                   uint8_t (&to)[kDotGroupBytes]) {
  const int64_t bytes = columns * kStripRows * 2;
  for (int64_t i = 0; i < kDotGroupBytes; ++i) to[i] = i < bytes ? group[i] : 0;
  return to;
}

template <int S, int M>
inline void zero_tile(Floats (&sum)[S][M]) {
#pragma GCC unroll 16
  for (int s = 0; s < S; ++s) {
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) sum[s][m] = splat(0.0f);
  }
}

// The chains of a group by fma, one after the other, so that each has the registers for itself.
struct ChainFma {
  static constexpr int kPanel = kPanelF32;
  static constexpr int64_t kTokenBytes = kGroup * 4;  // of a group

  template <int S, int M>
  static void run(const uint8_t* group, const uint8_t* panel, Floats (&even)[S][M],
                  Floats (&odd)[S][M]) {
    chain<S, M>(group, panel, 0, even);
    chain<S, M>(group, panel, 1, odd);
  }

 private:
  template <int S, int M>
  static void chain(const uint8_t* group, const uint8_t* panel, int first, Floats (&sum)[S][M]) {
    const float* x = reinterpret_cast<const float*>(panel);
    zero_tile<S, M>(sum);
    for (int64_t k = first; k < kGroup; k += 2) {
      Floats weight[S];
#pragma GCC unroll 16
      for (int s = 0; s < S; ++s) {
        weight[s] = WeightBF16::read(group + (k * kStripRows + s * kLanes) * 2);
      }
#pragma GCC unroll 16
      for (int m = 0; m < M; ++m) {
        const Floats value = splat(x[k * M + m]);
#pragma GCC unroll 16
        for (int s = 0; s < S; ++s) sum[s][m] = fma(weight[s], value, sum[s][m]);
      }
    }
  }
};

// What DotKernels in table.h says: the sums of all groups, each the sum of its two chains.
template <class Chain>
struct TileDot {
  static constexpr int kPanel = Chain::kPanel;
  static constexpr int kLines = 0;
  static constexpr int64_t kDepth = 8;  // groups: 8 KiB of weights a half
  static int64_t depth(const MatmulJob* job) { return (job->k + kGroup - 1) / kGroup; }

  template <int S, int M>
  static void run(const MatmulJob* job, int64_t strip, int half, int64_t token, Depth depth,
                  const uint8_t* panel) {
    const uint8_t* w = job->weights + strip * job->strip_bytes + depth.begin * kDotGroupBytes;
    const int64_t row = strip * kStripRows + half * kLanes;
    alignas(64) uint8_t padded[kDotGroupBytes];
    Floats acc[S][M];
    load_tile<S, M>(job, row, token, depth, acc);
    panel += depth.begin * M * Chain::kTokenBytes;
    for (int64_t g = depth.begin; g < depth.end; ++g) {
      const int64_t columns = job->k - g * kGroup;
      const uint8_t* group =
          (columns < kGroup ? padded_group(w, columns, padded) : w) + half * (kLanes * 2);
      Floats even[S][M];
      Floats odd[S][M];
      Chain::template run<S, M>(group, panel, even, odd);
#pragma GCC unroll 16
      for (int s = 0; s < S; ++s) {
#pragma GCC unroll 16
        for (int m = 0; m < M; ++m) acc[s][m] = add(acc[s][m], add(even[s][m], odd[s][m]));
      }
      w += kDotGroupBytes;
      panel += M * Chain::kTokenBytes;
    }
    store_tile<S, M>(job, row, token, depth, acc);
  }
};

// acc[s][m] += scale(row) scale(token) dot(row, token), one fma a token.
template <int S, int M>
inline void add_scaled_dots(const Ints (&dot)[S][M], const uint8_t* scales, const float* x_scale,
                            Floats (&acc)[S][M]) {
  Floats w_scale[S];
#pragma GCC unroll 16
  for (int s = 0; s < S; ++s) {
    w_scale[s] = from_f16(reinterpret_cast<const uint16_t*>(scales + s * (kLanes * 2)));
  }
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) {
    const Floats scale = splat(x_scale[m]);
#pragma GCC unroll 16
    for (int s = 0; s < S; ++s) {
      acc[s][m] = fma(to_float(dot[s][m]), mul(w_scale[s], scale), acc[s][m]);
    }
  }
}

// One group of S halves; w: the first one's first line.
template <int S, int M>
inline void group_q8(const uint8_t* w, const uint8_t* scales, PanelGroup<M> x,
                     Floats (&acc)[S][M]) {
  Ints dot[S][M];
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) {
    const Ints start = dot_start(x.minus128[m]);
#pragma GCC unroll 16
    for (int s = 0; s < S; ++s) dot[s][m] = start;
  }
#pragma GCC unroll 8
  for (int j = 0; j < 8; ++j) {
    Bytes weight[S];
#pragma GCC unroll 16
    for (int s = 0; s < S; ++s) weight[s] = load_bytes(w + j * kLineBytes + s * 64);
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) {
      const Four four = load_four(x.q + m * kGroup + j * 4);
#pragma GCC unroll 16
      for (int s = 0; s < S; ++s) dot[s][m] = dot4(dot[s][m], weight[s], four);
    }
  }
  add_scaled_dots<S, M>(dot, scales, x.scale, acc);
}

struct TileQ8 {
  static constexpr int kPanel = kPanelQ8;
  static constexpr int kCodes = 8 * kLineBytes;
  static constexpr int kGroupBytes = kCodes + kStripRows * 2;
  static constexpr int kLines = kGroupBytes / 64;
  static constexpr int64_t kDepth = 24;  // groups: 13 KiB of weights a half
  static int64_t depth(const MatmulJob* job) { return (job->k + kGroup - 1) / kGroup; }

  template <int S, int M>
  static void group(const uint8_t* w, const uint8_t* scales, PanelGroup<M> x,
                    Floats (&acc)[S][M]) {
    group_q8<S, M>(w, scales, x, acc);
  }
};

// w = scale code + offset: sum w x = scale_w scale_x (codes . q) + offset (scale_x sum q).
// Centred: w = scale (code - 8), and the 8 goes into the integer sum.
template <bool kOffset>
struct TileQ4 {
  static constexpr int kPanel = kPanelQ8;
  static constexpr int kCodes = 4 * kLineBytes;
  static constexpr int kGroupBytes = kCodes + kStripRows * (kOffset ? 4 : 2);
  static constexpr int kLines = kGroupBytes / 64;
  static constexpr int64_t kDepth = 24;  // groups: 7 KiB of weights a half
  static int64_t depth(const MatmulJob* job) { return (job->k + kGroup - 1) / kGroup; }

  template <int S, int M>
  static void group(const uint8_t* w, const uint8_t* scales, PanelGroup<M> x,
                    Floats (&acc)[S][M]) {
    CodeSums sums[S][M];
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) {
      const CodeSums start = code_start(kOffset ? 0 : x.minus8[m]);
#pragma GCC unroll 16
      for (int s = 0; s < S; ++s) sums[s][m] = start;
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      Codes low[S];
      Codes high[S];
#pragma GCC unroll 16
      for (int s = 0; s < S; ++s) {
        low[s] = load_low_codes(w + j * kLineBytes + s * 64);
        high[s] = load_high_codes(w + j * kLineBytes + s * 64);
      }
#pragma GCC unroll 16
      for (int m = 0; m < M; ++m) {
        const Four even = load_four(x.q + m * kGroup + j * 8);
        const Four odd = load_four(x.q + m * kGroup + j * 8 + 4);
#pragma GCC unroll 16
        for (int s = 0; s < S; ++s) {
          sums[s][m] = dot4_codes(dot4_codes(sums[s][m], low[s], even), high[s], odd);
        }
      }
    }
    Ints dot[S][M];
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) {
#pragma GCC unroll 16
      for (int s = 0; s < S; ++s) dot[s][m] = code_total(sums[s][m], kOffset ? 0 : x.minus8[m]);
    }
    add_scaled_dots<S, M>(dot, scales, x.scale, acc);
    if constexpr (kOffset) {
#pragma GCC unroll 16
      for (int s = 0; s < S; ++s) {
        const uint8_t* from = scales + kStripRows * 2 + s * (kLanes * 2);
        const Floats offset = from_f16(reinterpret_cast<const uint16_t*>(from));
#pragma GCC unroll 16
        for (int m = 0; m < M; ++m) {
          acc[s][m] = fma(offset, splat(x.scaled_sum[m]), acc[s][m]);
        }
      }
    }
  }
};

// The loop over groups that all quantised types share.
template <class Format>
struct TileGroups : Format {
  template <int S, int M>
  static void run(const MatmulJob* job, int64_t strip, int half, int64_t token, Depth depth,
                  const uint8_t* panel) {
    const uint8_t* group = job->weights + strip * job->strip_bytes +
                           depth.begin * Format::kGroupBytes;
    const int64_t to_next = (depth.end - depth.begin) * Format::kGroupBytes;
    const int64_t row = strip * kStripRows + half * kLanes;
    Floats acc[S][M];
    load_tile<S, M>(job, row, token, depth, acc);
    panel += depth.begin * M * kPanelGroup;
    for (int64_t g = depth.begin; g < depth.end; ++g) {
      for (int i = depth.ahead_first; i < depth.ahead_first + depth.ahead_lines; ++i) {
        __builtin_prefetch(group + to_next + i * 64);
      }
      Format::template group<S, M>(group + half * 64,
                                   group + Format::kCodes + half * (kLanes * 2),
                                   PanelGroup<M>(panel), acc);
      group += Format::kGroupBytes;
      panel += M * kPanelGroup;
    }
    store_tile<S, M>(job, row, token, depth, acc);
  }
};

// M counts down from the full panel to the size of this one.
template <class Tile, int S, int M>
inline void run_panel(const MatmulJob* job, int64_t strip, int half, int64_t token, int64_t m,
                      Depth depth, const uint8_t* panel) {
  if constexpr (M >= 1) {
    if (m == M) {
      Tile::template run<S, M>(job, strip, half, token, depth, panel);
    } else {
      run_panel<Tile, S, M - 1>(job, strip, half, token, m, depth, panel);
    }
  }
}

// All panels against S halves of a strip. With several panels the weights are taken in pieces that
// stay in the first-level cache while the panels pass by.
template <class Tile, int S>
inline void run_halves(const MatmulJob* job, int64_t strip, int half) {
  // Both halves where registers have room for one are compiled only for few tokens.
  constexpr int kLargest = S <= kHalvesMany ? Tile::kPanel : kFewTokens;
  const int64_t whole = Tile::depth(job);
  const int64_t panels = (job->tokens + job->panel_tokens - 1) / job->panel_tokens;
  const int64_t step = panels > 1 ? Tile::kDepth : whole;
  const int lines = panels > 1 ? static_cast<int>((Tile::kLines + panels - 1) / panels) : 0;
  for (int64_t begin = 0; begin < whole; begin += step) {
    const int64_t end = begin + step < whole ? begin + step : whole;
    Depth depth = {begin, end, begin == 0, end == whole, 0, lines};
    const uint8_t* panel = job->panels;
    for (int64_t token = 0; token < job->tokens; token += job->panel_tokens) {
      const int64_t left = job->tokens - token;
      if (depth.ahead_first >= Tile::kLines) depth.ahead_lines = 0;
      run_panel<Tile, S, kLargest>(job, strip, half, token,
                                   left < job->panel_tokens ? left : job->panel_tokens, depth,
                                   panel);
      depth.ahead_first += lines;
      panel += job->panel_bytes;
    }
  }
}

template <class Tile>
inline void matmul(const MatmulJob* job) {
  for (int64_t strip = job->strip_begin; strip < job->strip_end; ++strip) {
    if (job->tokens <= kFewTokens) {
      run_halves<Tile, 2>(job, strip, 0);
      continue;
    }
    for (int half = 0; half < 2; half += kHalvesMany) {
      run_halves<Tile, kHalvesMany>(job, strip, half);
    }
  }
}

}  // namespace
}  // namespace weft::tensor
