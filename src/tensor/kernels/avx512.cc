// SPDX-License-Identifier: Apache-2.0
//
// AVX-512, and what AMX takes from it: all but the products of many tokens with quantised weights.
#include <stdint.h>

#include "tensor/kernels/avx512-inl.h"
#include "tensor/kernels/table.h"

namespace weft::tensor {
namespace {


// Of 32 registers, with 2 strips: 24 accumulators, 2 weights and an activation; for q8 12 integer
// and 12 float accumulators. An activation is loaded once for both strips: with one strip of 12
// tokens the loads, not the products, would be the limit.
constexpr int kPanelF32 = 12;
constexpr int kPanelQ8 = 6;
constexpr int kFewTokens = 4;
constexpr int kHalvesMany = 2;
constexpr int kScorePairs = 8;
constexpr int kValuePairs = 4;
constexpr int kValueVectors = 4;

}  // namespace
}  // namespace weft::tensor

#include "tensor/kernels/vector-inl.h"
#include "tensor/kernels/rows-inl.h"
#include "tensor/kernels/matmul-inl.h"
#include "tensor/kernels/cache-inl.h"
#include "tensor/kernels/attention-inl.h"
#include "tensor/kernels/recurrent-inl.h"
#include "tensor/kernels/table-inl.h"

namespace weft::tensor {
const KernelTable kAvx512Kernels = {"avx512", WEFT_KERNELS_ENTRIES};
const KernelTable kAmxKernels = {
    "amx", WEFT_KERNELS_WITH(kTileTokens, matmul_q8_amx, matmul_q4_amx, matmul_q4c_amx)};
const KernelTable kAmxTwinKernels = {
    "amx-twin", WEFT_KERNELS_WITH(kTileTokens, matmul_q8_twin, matmul_q4_twin, matmul_q4c_twin)};
}  // namespace weft::tensor
