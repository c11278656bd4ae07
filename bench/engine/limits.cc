// SPDX-License-Identifier: Apache-2.0
#include "engine/limits.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "kernels/peaks.h"
#include "tensor/buffer.h"

namespace weft::bench {
namespace {

double seconds_of(Env& env, auto&& work) {
  const int64_t begin = env.mono_ns();
  work();
  return static_cast<double>(env.mono_ns() - begin) * 1e-9;
}

}  // namespace

double read_bandwidth(Env& env, ThreadPool& pool, size_t bytes) {
  const int64_t part = static_cast<int64_t>(bytes) / pool.threads() / 256 * 256;
  tensor::Buffer buffer(static_cast<size_t>(part * pool.threads()));
  std::memset(buffer.data(), 1, buffer.bytes());
  std::vector<uint64_t> sums(static_cast<size_t>(pool.threads()));
  double best = 0;
  for (int i = 0; i < 5; ++i) {
    const double s = seconds_of(env, [&] {
      pool.parallel_for(pool.threads(), [&](int64_t p, int) {
        sums[static_cast<size_t>(p)] = read_all(buffer.data() + p * part, part);
      });
    });
    best = std::max(best, static_cast<double>(buffer.bytes()) / s);
  }
  CHECK(sums[0] != 0);
  return best;
}

double arithmetic_peak(Env& env, ThreadPool& pool, Arithmetic arithmetic) {
  const bool wide = __builtin_cpu_supports("avx512vnni") != 0;
  const Peaks peaks = peaks_of(wide ? "avx512" : "avx2");
  float keep = 0;
  double best = 0;
  for (int i = 0; i < 3; ++i) {
    const double s = seconds_of(env, [&] {
      pool.parallel_for(pool.threads(), [&](int64_t, int) {
        float x = 0;
        if (arithmetic == Arithmetic::kF32) x = peaks.multiply_add();
        if (arithmetic == Arithmetic::kInt8) x = static_cast<float>(peaks.dot());
        if (arithmetic == Arithmetic::kBF16) x = peaks.dot_bf16();
        if (x == 12345.0f) keep = x;
      });
    });
    best = std::max(best, peaks.operations * pool.threads() / s);
  }
  CHECK(keep >= 0);
  if (arithmetic == Arithmetic::kBF16) return peaks.bf16_factor * best;
  // a lane of a dot product has four int8 multiply-adds
  return arithmetic == Arithmetic::kInt8 ? 4 * best : best;
}

}  // namespace weft::bench
