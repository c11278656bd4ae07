// SPDX-License-Identifier: Apache-2.0
//
// What this machine can do at most, measured as the engine's own work is: by the same threads, in
// the same minute. Best of a few tries, because others use the machine too.
#pragma once

#include <cstddef>

#include "base/env.h"
#include "base/threads.h"

namespace weft::bench {

// Bytes a second of all threads summing `bytes` bytes together.
double read_bandwidth(Env& env, ThreadPool& pool, size_t bytes);

// What meets: f32 (multiply-adds), int8 (dot products, of quantised weights), bf16 (dot products,
// where the processor has them).
enum class Arithmetic { kF32, kInt8, kBF16 };
// Operations a second of all threads. A multiply-add counts as 2.
double arithmetic_peak(Env& env, ThreadPool& pool, Arithmetic arithmetic);

}  // namespace weft::bench
