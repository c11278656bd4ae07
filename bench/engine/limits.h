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

// Operations a second of all threads: f32 multiply-adds, or int8 dot products for quantised
// weights. A multiply-add counts as 2.
double arithmetic_peak(Env& env, ThreadPool& pool, bool int8);

}  // namespace weft::bench
