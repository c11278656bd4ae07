// SPDX-License-Identifier: Apache-2.0
//
// The physical limits that the kernels are measured against: reading memory, and multiply-adds in
// registers. Each function does its work on the calling thread and returns something that depends
// on it, so that the compiler keeps it. Not here: timing.
#pragma once

#include <cstdint>
#include <string_view>

namespace weft::bench {

// The sum of `bytes` bytes (a multiple of 256) as 64-bit words.
uint64_t read_all(const void* memory, int64_t bytes);

struct Peaks {
  double operations;                 // per call of either function, a multiply-add counts as 2
  float (*multiply_add)();           // f32
  int32_t (*dot)();                  // int8 times int8 into int32
  // bf16 times bf16 into f32, two of each a lane; multiply_add where the processor has no such
  // instruction. `bf16_factor` times as many operations a call.
  float (*dot_bf16)();
  double bf16_factor;
};
// Registers of a kernel table: "avx2", or any of AVX-512 and AMX.
Peaks peaks_of(std::string_view table);

}  // namespace weft::bench
