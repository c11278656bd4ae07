// SPDX-License-Identifier: Apache-2.0
//
// The last thing an instruction set's file includes: turns the shared functions, compiled over its
// primitives, into the entries of a KernelTable. WEFT_KERNELS_ENTRIES is the initialiser after the
// name; a macro because the shared functions live in the anonymous namespace of each file.
#pragma once

#define WEFT_KERNELS_ENTRIES                                                                  \
  kPanelF32, kPanelQ8, pack_panel_f32, pack_panel_q8, matmul<TileFloat<WeightF32>>,            \
      matmul<TileFloat<WeightBF16>>, matmul<TileFloat<WeightF16>>, matmul<TileGroups<TileQ8>>, \
      matmul<TileGroups<TileQ4<true>>>, matmul<TileGroups<TileQ4<false>>>,                     \
      attention_pairs<CacheF32>, attention_pairs<CacheF16>, attention_pairs<CacheQ8>,          \
      to_f16_row, to_q8_row, rms_norm_row, add_row, add_scaled_row, scale_row, silu_mul_row,   \
      rope_head, argmax_row, exp_scaled_row, exp_all, log_all, conv_silu_row, mamba_steps_row, \
      mamba_head
