// SPDX-License-Identifier: Apache-2.0
//
// y = x W^T over strips of 16 output rows: a lane is an output row, and each output is one chain
// of fma over ascending k (or ascending groups), so neither the number of tokens or threads nor
// the instruction set can change a bit. Speed comes from unrolling over strips and tokens only:
// few tokens take several strips at once to hide the latency of the chain, many tokens share each
// weight while it sits in a register. Over the primitives of the including file, which also says
// how many tokens fit its registers (kPanelF32, kPanelQ8).
//
// A strip of f32, bf16, f16: [k][16 rows]. A strip of q8: [groups][8][16 rows][4 k] values biased
// by 128, then [groups][16 rows] scales in f16. A zero value pads rows and columns. A strip of q4:
// [groups][4][16 rows][4] bytes of two codes, then scales and offsets likewise (tensor/matrix.h).
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

// One group of one token: scale = max |x| / 127, values rounded to nearest even. A group too small
// for 127 / max to be a float counts as zero.
inline void quantise_group(const float* x, int64_t n, int8_t* q, float* scale, int32_t* offset) {
  const Floats a = load_up_to(x, n);
  const Floats b = n > 16 ? load_up_to(x + 16, n - 16) : splat(0.0f);
  const float most = reduce_max(max(absolute(a), absolute(b)));
  const bool usable = most > 1e-30f;
  const Floats inverse = splat(usable ? 127.0f / most : 0.0f);
  *scale = usable ? most / 127.0f : 0.0f;
  const Floats magic = splat(12582912.0f);  // the low byte of (v + magic) is v as an integer
  store_bytes(q, bits(fma(a, inverse, magic)));
  store_bytes(q + 16, bits(fma(b, inverse, magic)));
  int32_t sum = 0;
  for (int i = 0; i < kGroup; ++i) sum += q[i];
  *offset = -128 * sum;
}

inline void pack_panel_q8(const float* x, int64_t stride, int64_t m, int64_t k, uint8_t* panel) {
  for (int64_t at = 0; at < k; at += kGroup) {
    int8_t* q = reinterpret_cast<int8_t*>(panel);
    float* scales = reinterpret_cast<float*>(panel + m * kGroup);
    int32_t* offsets = reinterpret_cast<int32_t*>(panel + m * (kGroup + 4));
    for (int64_t t = 0; t < m; ++t) {
      quantise_group(x + t * stride + at, k - at, q + t * kGroup, scales + t, offsets + t);
    }
    panel += m * (kGroup + 8);
  }
}

// Which part of the chains a pass over the panels computes: columns (or groups) [begin, end).
// Between passes the partial sums rest in y, which changes no bit.
struct Depth {
  int64_t begin;
  int64_t end;
  bool first;
  bool last;
};

template <int S, int M>
inline void load_tile(const MatmulJob* job, int64_t strip, int64_t token, Depth depth,
                      Floats (&acc)[S][M]) {
#pragma GCC unroll 16
  for (int s = 0; s < S; ++s) {
    const int64_t row = (strip + s) * kStripRows;
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) {
      acc[s][m] = depth.first ? splat(0.0f)
                              : load_up_to(job->y + (token + m) * job->y_stride + row,
                                           job->out - row);
    }
  }
}

template <int S, int M>
inline void store_tile(const MatmulJob* job, int64_t strip, int64_t token, Depth depth,
                       const Floats (&acc)[S][M]) {
  const bool with_bias = depth.last && job->bias != nullptr;
  for (int s = 0; s < S; ++s) {
    const int64_t row = (strip + s) * kStripRows;
    const int64_t rows = job->out - row;
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

// S strips times M tokens of a panel of M.
template <class Weight>
struct TileFloat {
  static constexpr int kPanel = kPanelF32;
  static constexpr int64_t kDepth = 256;  // 16 KiB of f32 weights: half of a first-level cache
  static int64_t depth(const MatmulJob* job) { return job->k; }

  template <int S, int M>
  static void run(const MatmulJob* job, int64_t strip, int64_t token, Depth depth,
                  const uint8_t* panel) {
    const uint8_t* w = job->weights + strip * job->strip_bytes;
    const float* x = reinterpret_cast<const float*>(panel);
    Floats acc[S][M];
    load_tile<S, M>(job, strip, token, depth, acc);
    for (int64_t k = depth.begin; k < depth.end; ++k) {
#pragma GCC unroll 16
      for (int s = 0; s < S; ++s) {
        const Floats weight = Weight::read(w + s * job->strip_bytes + k * 16 * Weight::kBytes);
#pragma GCC unroll 16
        for (int m = 0; m < M; ++m) acc[s][m] = fma(weight, splat(x[k * M + m]), acc[s][m]);
      }
    }
    store_tile<S, M>(job, strip, token, depth, acc);
  }
};

struct TileQ8 {
  static constexpr int kPanel = kPanelQ8;
  static constexpr int64_t kDepth = 32;  // groups: 17 KiB of weights
  static int64_t depth(const MatmulJob* job) { return (job->k + kGroup - 1) / kGroup; }

  template <int S, int M>
  static void run(const MatmulJob* job, int64_t strip, int64_t token, Depth depth,
                  const uint8_t* panel) {
    const int64_t groups = (job->k + kGroup - 1) / kGroup;
    const uint8_t* w = job->weights + strip * job->strip_bytes;
    const uint8_t* scales = w + groups * (kGroup * kStripRows);
    Floats acc[S][M];
    load_tile<S, M>(job, strip, token, depth, acc);
    panel += depth.begin * M * (kGroup + 8);
    for (int64_t g = depth.begin; g < depth.end; ++g) {
      const int8_t* q = reinterpret_cast<const int8_t*>(panel);
      const float* x_scale = reinterpret_cast<const float*>(panel + M * kGroup);
      const int32_t* offset = reinterpret_cast<const int32_t*>(panel + M * (kGroup + 4));
      panel += M * (kGroup + 8);
#pragma GCC unroll 16
      for (int s = 0; s < S; ++s) {
        const int64_t at = s * job->strip_bytes;
        group_dots<M>(w + at + g * (kGroup * kStripRows), scales + at + g * (kStripRows * 2), q,
                      x_scale, offset, acc[s]);
      }
    }
    store_tile<S, M>(job, strip, token, depth, acc);
  }

  // acc[m] += scale(row) scale(token) sum over the group of w[row, k] q[m, k], one fma a token.
  template <int M>
  static void group_dots(const uint8_t* w, const uint8_t* scales, const int8_t* q,
                         const float* x_scale, const int32_t* offset, Floats (&acc)[M]) {
    Ints dot[M];
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) dot[m] = dot_start(offset[m]);
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      const Bytes weight = load_bytes(w + j * 64);
#pragma GCC unroll 16
      for (int m = 0; m < M; ++m) dot[m] = dot4(dot[m], weight, q + m * kGroup + j * 4);
    }
    const Floats w_scale = from_f16(reinterpret_cast<const uint16_t*>(scales));
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) {
      acc[m] = fma(to_float(dot[m]), mul(w_scale, splat(x_scale[m])), acc[m]);
    }
  }
};

// w = scale code + offset: sum w x = scale_w scale_x (codes . q) + offset (scale_x sum q); the
// panel holds -128 sum q. Centred: w = scale (code - 8), and the 8 goes into the integer sum.
template <bool kOffset>
struct TileQ4 {
  static constexpr int kPanel = kPanelQ8;
  static constexpr int64_t kDepth = 48;  // groups: 15 KiB of weights
  static constexpr int64_t kGroupBytes = kGroup / 2 * kStripRows;
  static int64_t depth(const MatmulJob* job) { return (job->k + kGroup - 1) / kGroup; }

  template <int S, int M>
  static void run(const MatmulJob* job, int64_t strip, int64_t token, Depth depth,
                  const uint8_t* panel) {
    const int64_t groups = (job->k + kGroup - 1) / kGroup;
    const uint8_t* w = job->weights + strip * job->strip_bytes;
    const uint8_t* scales = w + groups * kGroupBytes;
    const int64_t to_offsets = groups * (kStripRows * 2);
    Floats acc[S][M];
    load_tile<S, M>(job, strip, token, depth, acc);
    panel += depth.begin * M * (kGroup + 8);
    for (int64_t g = depth.begin; g < depth.end; ++g) {
#pragma GCC unroll 16
      for (int s = 0; s < S; ++s) {
        const int64_t at = s * job->strip_bytes;
        const uint8_t* scale = scales + at + g * (kStripRows * 2);
        group_dots<M>(w + at + g * kGroupBytes, scale, scale + to_offsets, panel, acc[s]);
      }
      panel += M * (kGroup + 8);
    }
    store_tile<S, M>(job, strip, token, depth, acc);
  }

  template <int M>
  static void group_dots(const uint8_t* w, const uint8_t* scales, const uint8_t* offsets,
                         const uint8_t* panel, Floats (&acc)[M]) {
    const int8_t* q = reinterpret_cast<const int8_t*>(panel);
    const float* x_scale = reinterpret_cast<const float*>(panel + M * kGroup);
    const int32_t* minus_sum = reinterpret_cast<const int32_t*>(panel + M * (kGroup + 4));
    Ints dot[M];
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) dot[m] = splat_int(kOffset ? 0 : minus_sum[m] / 16);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const Codes low = load_low_codes(w + j * 64);
      const Codes high = load_high_codes(w + j * 64);
#pragma GCC unroll 16
      for (int m = 0; m < M; ++m) {
        dot[m] = dot4_codes(dot[m], low, q + m * kGroup + j * 8);
        dot[m] = dot4_codes(dot[m], high, q + m * kGroup + j * 8 + 4);
      }
    }
    const Floats w_scale = from_f16(reinterpret_cast<const uint16_t*>(scales));
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) {
      acc[m] = fma(to_float(dot[m]), mul(w_scale, splat(x_scale[m])), acc[m]);
    }
    if constexpr (kOffset) {
      const Floats w_offset = from_f16(reinterpret_cast<const uint16_t*>(offsets));
#pragma GCC unroll 16
      for (int m = 0; m < M; ++m) {
        const float x_sum = static_cast<float>(minus_sum[m]) * -0x1p-7f * x_scale[m];
        acc[m] = fma(w_offset, splat(x_sum), acc[m]);
      }
    }
  }
};

// M counts down from the full panel to the size of this one.
template <class Tile, int S, int M>
inline void run_panel(const MatmulJob* job, int64_t strip, int64_t token, int64_t m, Depth depth,
                      const uint8_t* panel) {
  if constexpr (M >= 1) {
    if (m == M) {
      Tile::template run<S, M>(job, strip, token, depth, panel);
    } else {
      run_panel<Tile, S, M - 1>(job, strip, token, m, depth, panel);
    }
  }
}

// All panels against strips [strip, strip + S). With several panels the weights are taken in
// pieces that stay in the first-level cache while the panels pass by.
template <class Tile, int S>
inline void run_strips(const MatmulJob* job, int64_t strip) {
  // S > 1 is compiled only for the few tokens that need it
  constexpr int kLargest = S == 1 ? Tile::kPanel : kFewTokens;
  const int64_t whole = Tile::depth(job);
  const int64_t step = job->tokens > Tile::kPanel ? Tile::kDepth : whole;
  for (int64_t begin = 0; begin < whole; begin += step) {
    const int64_t end = begin + step < whole ? begin + step : whole;
    const Depth depth = {begin, end, begin == 0, end == whole};
    const uint8_t* panel = job->panels;
    for (int64_t token = 0; token < job->tokens; token += Tile::kPanel) {
      const int64_t left = job->tokens - token;
      run_panel<Tile, S, kLargest>(job, strip, token, left < Tile::kPanel ? left : Tile::kPanel,
                                   depth, panel);
      panel += job->panel_bytes;
    }
  }
}

template <class Tile>
inline void matmul(const MatmulJob* job) {
  int64_t strip = job->strip_begin;
  if (job->tokens <= kFewTokens) {
    for (; strip + kStripsAtOnce <= job->strip_end; strip += kStripsAtOnce) {
      run_strips<Tile, kStripsAtOnce>(job, strip);
    }
  }
  for (; strip < job->strip_end; ++strip) run_strips<Tile, 1>(job, strip);
}

}  // namespace
}  // namespace weft::tensor
