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
namespace {

constexpr DotKernels kDotPairs = {"vdpbf16ps", kPairTokens, 2, pack_dot_pairs, matmul_dot_pairs};
constexpr DotKernels kDotAmx = {"tdpbf16ps", kTileTokens, 2, pack_dot_amx, matmul_dot_amx};
constexpr DotKernels kDotTwin = {"plain tiles", kTileTokens, 4, pack_dot_twin, matmul_dot_twin};

}  // namespace

const KernelTable kAvx512Kernels = {"avx512", WEFT_DOT_FMA, WEFT_KERNELS_ENTRIES};
const KernelTable kAvx512Bf16Kernels = {"avx512-bf16", kDotPairs, WEFT_KERNELS_ENTRIES};
const KernelTable kAmxInt8Kernels = {
    "amx-int8", kDotPairs,
    WEFT_KERNELS_WITH(kTileTokens, matmul_q8_amx, matmul_q4_amx, matmul_q4c_amx)};
const KernelTable kAmxKernels = {
    "amx", kDotAmx, WEFT_KERNELS_WITH(kTileTokens, matmul_q8_amx, matmul_q4_amx, matmul_q4c_amx)};
const KernelTable kAmxTwinKernels = {
    "amx-twin", kDotTwin,
    WEFT_KERNELS_WITH(kTileTokens, matmul_q8_twin, matmul_q4_twin, matmul_q4c_twin)};
}  // namespace weft::tensor
