// SPDX-License-Identifier: Apache-2.0
//
// The kernels of one instruction set as a struct of function pointers. Every table computes the
// same bits: the scalar one is the specification, a test compares the others with it.
//
// This header is all that the files of an instruction set see of weft: plain structs, no function
// body and no library header, because an inline function compiled with -mavx512f could become the
// copy that the linker keeps for everyone (style: the ISA trap).
//
// Shapes: rows are C order, strides are in elements. `m` counts tokens, `k` input features.
#pragma once

#include <stdint.h>

namespace weft::tensor {

constexpr int kLanes = 16;           // output rows of a vector register
constexpr int kStripRows = 32;       // output rows of a strip: two registers, one stream of memory
constexpr int kGroup = 32;           // input values that share a scale
constexpr int kLineBytes = 128;      // four bytes of codes of every row of a strip
constexpr int kBlockPositions = 32;  // positions of a KV block
#ifdef WEFT_ATTENTION_SPAN           // cmake/kernels.cmake
constexpr int kSpan = WEFT_ATTENTION_SPAN;
#else
constexpr int kSpan = 256;           // absolute positions that attention reduces together
#endif
constexpr int kPairsMax = 64;        // (row, head) pairs of one attention job
constexpr int kTapsMax = 16;         // positions that a convolution sees
constexpr int kPanelGroup = kGroup + 16;  // bytes of a group of one token in a q8 panel
constexpr int kDotGroupBytes = kGroup * kStripRows * 2;  // of bf16 weights: a strip's 32 columns

// Activations meet weights in panels of m tokens, up to `panel_*` (of the table), packed:
//   f32: [k][m] floats.
//   q8:  for each group: [m][32] int8, [m] float scale, [m] int32 minus 128 times the values' sum,
//        [m] int32 minus 8 times it, [m] float the sum times the scale.
//   dot: rounded to bf16 and padded by zeros to whole groups, as each table's DotKernels like it.
// y[token, row] = sum over k (ascending, fma) of w[row, k] x[token, k], plus bias.
struct MatmulJob {
  const uint8_t* weights;       // strip 0 of the matrix
  int64_t strip_bytes;
  int64_t strip_begin;          // strips [begin, end) are computed
  int64_t strip_end;
  int64_t out;                  // rows of the matrix
  int64_t k;                    // columns; for q8 groups are counted by rounding up
  const uint8_t* panels;        // packed activations
  int64_t panel_bytes;          // from a full panel to the next
  int64_t panel_tokens;         // of a full panel; the last one may have fewer
  int64_t tokens;
  float* y;                     // (tokens, out)
  int64_t y_stride;
  const float* bias;            // (out) or null
};

// A few query heads of one KV head, for some tokens of one or several sequences. Blocks of
// the cache are found through a table a sequence; layout of a block in kv_view.h. Offsets in bytes.
struct AttentionJob {
  const uint8_t* cache;         // block 0 of this layer
  int64_t block_stride;         // from a block to the next
  int64_t k_offset;             // from a block to this head's keys
  int64_t v_offset;             // from a block to this head's values
  int32_t head_dim;
  int32_t v_dim;                // head_dim rounded up to 16
  int32_t window;               // visible positions including the token's own; 0: all
  float scale;
  int32_t pairs;                // <= kPairsMax, sequence after sequence
  int32_t sequences;            // >= 1, none of them without pairs
  int32_t shared;               // positions, whole blocks, that stand in the same blocks for all
  const float* q[kPairsMax];    // (head_dim) each
  float* out[kPairsMax];        // (head_dim) each
  int32_t position[kPairsMax];
  int32_t pairs_until[kPairsMax];    // behind the last pair of a sequence
  const int32_t* blocks[kPairsMax];  // of a sequence: ids, one for every 32 positions
  float* scratch;               // kPairsMax * (3 * v_dim + 16 + kSpan) + 32 * v_dim floats
};

// One row of a causal convolution: rows[taps - 1] is the token's own.
struct ConvJob {
  const float* rows[kTapsMax];  // (n) each
  const float* weights;         // (taps, n)
  const float* bias;            // (n) or null
  float* y;                     // (n)
  int64_t n;
  int32_t taps;                 // 1 .. kTapsMax
};

// One head of a Mamba2 layer over consecutive tokens of one sequence, in order.
struct MambaJob {
  float* state;                 // (state_dim, head_dim), before and after
  int64_t head_dim;
  int64_t state_dim;
  const float* x;               // (tokens, head_dim), rows `stride` apart, as b and c
  const float* b;               // (tokens, state_dim)
  const float* c;               // (tokens, state_dim)
  int64_t stride;
  const float* step;            // one number a token, `step_stride` apart
  const float* decay;
  int64_t step_stride;
  float skip;                   // the parameter called D
  float* y;                     // (tokens, head_dim)
  int64_t y_stride;
  int64_t tokens;
};

// bf16 weights times activations rounded to bf16 (to nearest even), as TDPBF16PS multiplies a tile
// of 32 columns (Intel's manual, volume 2): for each group of 32, from +0 upwards,
//   even = fma(w[2j], x[2j], even), odd = fma(w[2j + 1], x[2j + 1], odd)     for j = 0 .. 15
//   y = y + (even + odd)
// each step rounded to nearest even, denormals taken and given as zeros. VDPBF16PS takes two steps
// of one chain at a time, first that of the upper half of a lane (avx512_bf16.cc).
struct DotKernels {
  const char* unit;             // "fma", "vdpbf16ps", "tdpbf16ps", "plain tiles"
  int32_t panel;                // tokens of a full panel
  int32_t value_bytes;          // of an activation in a panel, at most
  void (*pack)(const float* x, int64_t stride, int64_t m, int64_t k, uint8_t* panel);
  void (*matmul)(const MatmulJob* job);
};

struct KernelTable {
  const char* name;             // "scalar", "avx2", "avx512", "avx512-bf16", "amx", …: tables.h
  DotKernels dot;
  int32_t panel_f32;            // tokens of a full panel
  int32_t panel_q8;

  void (*pack_f32)(const float* x, int64_t stride, int64_t m, int64_t k, uint8_t* panel);
  void (*pack_q8)(const float* x, int64_t stride, int64_t m, int64_t k, uint8_t* panel);
  void (*matmul_f32)(const MatmulJob* job);
  void (*matmul_bf16)(const MatmulJob* job);
  void (*matmul_f16)(const MatmulJob* job);
  void (*matmul_q8)(const MatmulJob* job);
  void (*matmul_q4)(const MatmulJob* job);   // the panels of q8
  void (*matmul_q4c)(const MatmulJob* job);
  void (*attention_f32)(const AttentionJob* job);  // by the type of the cache
  void (*attention_f16)(const AttentionJob* job);
  void (*attention_q8)(const AttentionJob* job);
  // What the cache holds. f16: rounded to nearest even, beyond its range cut to the largest.
  void (*to_f16)(uint16_t* y, const float* x, int64_t n);
  // q8: groups of 32; scale = max |x| / 127 in f16, codes biased by 128, the last group padded by
  // zeros (128): codes (n rounded up to 32), scales (groups).
  void (*to_q8)(uint8_t* codes, uint16_t* scales, const float* x, int64_t n);

  // y = weight * (x / sqrt(mean(x^2) + eps)); in place allowed.
  void (*rms_norm)(float* y, const float* x, const float* weight, int64_t n, float eps);
  void (*add)(float* y, const float* x, int64_t n);                     // y += x
  void (*add_scaled)(float* y, const float* x, float a, int64_t n);     // y = fma(a, x, y)
  void (*scale)(float* y, float a, int64_t n);                          // y *= a
  void (*silu_mul)(float* y, const float* gate, const float* up, int64_t n);
  // Half-split rotation of one head in place: x (2 half), cos and sin (half).
  void (*rope)(float* x, const float* cos, const float* sin, int64_t half);
  int64_t (*argmax)(const float* x, int64_t n);                         // lowest index of the max
  // y = exp(scale (x - max x)), returns their sum in the 16-lane order; *max_out = max x.
  float (*exp_scaled)(float* y, const float* x, float scale, int64_t n, float* max_out);
  void (*exp)(float* y, const float* x, int64_t n);
  void (*log)(float* y, const float* x, int64_t n);

  void (*conv_silu)(const ConvJob* job);
  // step = clamp(softplus(dt + bias), limits[0], limits[1]), decay = exp(a step).
  void (*mamba_steps)(float* step, float* decay, const float* dt, const float* bias,
                      const float* a, const float* limits, int64_t n);
  void (*mamba_head)(const MambaJob* job);
};

extern const KernelTable kScalarKernels;
extern const KernelTable kAvx2Kernels;
extern const KernelTable kAvx512Kernels;
extern const KernelTable kAvx512Bf16Kernels;  // those of AVX-512, and bf16 in avx512_bf16.cc
extern const KernelTable kAmxInt8Kernels;  // those of AVX512_BF16, and quantised products by AMX
extern const KernelTable kAmxKernels;      // these, and bf16 by AMX too
extern const KernelTable kAmxTwinKernels;  // the same without AMX, for tests: amx_twin.cc

// Bytes behind the last panel that the tiles of AMX may read: a panel of few tokens has fewer rows
// (of up to 64 bytes) than the tile that is configured for all of them.
constexpr int kPanelSlack = 1024;
constexpr int kTileTokens = 16;

constexpr int kPairTokens = 4;  // of a panel that VDPBF16PS multiplies
void pack_dot_pairs(const float* x, int64_t stride, int64_t m, int64_t k, uint8_t* panel);
void matmul_dot_pairs(const MatmulJob* job);
void pack_dot_amx(const float* x, int64_t stride, int64_t m, int64_t k, uint8_t* panel);
void matmul_dot_amx(const MatmulJob* job);
void pack_dot_twin(const float* x, int64_t stride, int64_t m, int64_t k, uint8_t* panel);
void matmul_dot_twin(const MatmulJob* job);

void matmul_q8_amx(const MatmulJob* job);
void matmul_q4_amx(const MatmulJob* job);
void matmul_q4c_amx(const MatmulJob* job);
void matmul_q8_twin(const MatmulJob* job);
void matmul_q4_twin(const MatmulJob* job);
void matmul_q4c_twin(const MatmulJob* job);

}  // namespace weft::tensor
