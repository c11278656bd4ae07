// SPDX-License-Identifier: Apache-2.0
//
// The last thing an instruction set's file includes: turns the shared functions, compiled over its
// primitives, into the entries of a KernelTable after its name. Macros because the shared functions
// live in the anonymous namespace of each file.
#pragma once

#define WEFT_DOT_FMA {"fma", kPanelF32, 4, pack_panel_rounded, matmul<TileDot<ChainFma>>}

// With other products of quantised weights: (PANEL_Q8 tokens, matmul_q8, matmul_q4, matmul_q4c).
#define WEFT_KERNELS_WITH(PANEL_Q8, ...)                                                     \
  kPanelF32, PANEL_Q8, pack_panel_f32, pack_panel_q8, matmul<TileFloat<WeightF32>>,          \
      matmul<TileFloat<WeightBF16>>, matmul<TileFloat<WeightF16>>, __VA_ARGS__,              \
      attention_pairs<CacheF32>, attention_pairs<CacheF16>, attention_pairs<CacheQ8>,        \
      to_f16_row, to_q8_row, rms_norm_row, add_row, add_scaled_row, scale_row, silu_mul_row, \
      rope_head, argmax_row, exp_scaled_row, exp_all, log_all, conv_silu_row,                \
      mamba_steps_row, mamba_head

#define WEFT_KERNELS_ENTRIES                                                             \
  WEFT_KERNELS_WITH(kPanelQ8, matmul<TileGroups<TileQ8>>, matmul<TileGroups<TileQ4<true>>>, \
                    matmul<TileGroups<TileQ4<false>>>)
