// SPDX-License-Identifier: Apache-2.0
#include "cli/machine_speed.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/env.h"
#include "base/threads.h"

namespace weft::cli {

double memory_bytes_per_second() {
  constexpr size_t kWords = (size_t{64} << 20) / sizeof(uint64_t);
  constexpr int kPasses = 3;
  const std::vector<uint64_t> words(kWords, 1);
  ThreadPool pool(usable_cores());
  const auto parts = static_cast<size_t>(pool.threads());
  std::vector<uint64_t> sums(parts * 8);  // a cache line each
  int64_t best_ns = INT64_MAX;
  for (int pass = 0; pass < kPasses; ++pass) {
    const int64_t begun_ns = real_env().mono_ns();
    pool.parallel_for(static_cast<int64_t>(parts), [&](int64_t part, int) {
      const size_t first = kWords / parts * static_cast<size_t>(part);
      uint64_t sum = 0;
      for (size_t i = first; i < first + kWords / parts; ++i) sum += words[i];
      sums[static_cast<size_t>(part) * 8] += sum;
    });
    best_ns = std::min(best_ns, real_env().mono_ns() - begun_ns);
  }
  // The sums are used, so that reading cannot be left out.
  const bool read = sums[0] > 0;
  return read ? static_cast<double>(kWords * sizeof(uint64_t)) * 1e9 /
                    static_cast<double>(std::max<int64_t>(1, best_ns))
              : 0;
}

}  // namespace weft::cli
