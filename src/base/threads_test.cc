// SPDX-License-Identifier: Apache-2.0
#include "base/threads.h"

#include <gtest/gtest.h>

#include <chrono>
#include <limits>
#include <algorithm>
#include <numeric>
#include <thread>
#include <vector>

namespace weft {
namespace {

TEST(ThreadPool, RunsEveryPartOnceWithAThreadNumberOfItsOwn) {
  for (const int threads : {1, 2, 4, 7}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (const int64_t parts : {0, 1, 2, 3, 100, 5000}) {
      std::vector<int> runs(static_cast<size_t>(parts), 0);
      std::vector<int64_t> sums(static_cast<size_t>(threads), 0);  // unsynchronised on purpose
      pool.parallel_for(parts, [&](int64_t part, int thread) {
        runs[static_cast<size_t>(part)] += 1;
        sums[static_cast<size_t>(thread)] += part;
      });
      EXPECT_EQ(std::count(runs.begin(), runs.end(), 1), parts);
      EXPECT_EQ(std::accumulate(sums.begin(), sums.end(), int64_t{0}), parts * (parts - 1) / 2);
    }
  }
}

TEST(ThreadPool, ManyShortLoopsInARow) {
  ThreadPool pool(3);
  int64_t total = 0;
  std::vector<int64_t> out(8);
  for (int round = 0; round < 20'000; ++round) {
    pool.parallel_for(8, [&](int64_t part, int) { out[part] = part + round; });
    for (const int64_t x : out) total += x;
  }
  EXPECT_EQ(total, 20'000LL * 28 + 8 * (20'000LL * 19'999 / 2));
}

TEST(ThreadPool, WakesParkedThreads) {
  ThreadPool pool(2);
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // long beyond the spinning
    std::vector<int> runs(64, 0);
    pool.parallel_for(64, [&](int64_t part, int) { runs[part] += 1; });
    EXPECT_EQ(std::count(runs.begin(), runs.end(), 1), 64);
  }
}

// Not folded by the compiler, which would not know the mode.
[[gnu::noinline]] float half_of(float x) {
  asm volatile("" : "+x"(x));
  return x * 0.5f;
}

TEST(ThreadPool, WorkersFlushDenormalsAndTheCallerOnlyInItsScope) {
  const float smallest = std::numeric_limits<float>::min();
  EXPECT_NE(half_of(smallest), 0.0f);
  {
    const FlushDenormals flush;
    EXPECT_EQ(half_of(smallest), 0.0f);
  }
  EXPECT_NE(half_of(smallest), 0.0f);
  ThreadPool pool(2);
  std::vector<float> seen(1000, 1.0f);
  std::vector<int> by(1000, 0);
  pool.parallel_for(1000, [&](int64_t part, int thread) {
    seen[part] = half_of(smallest);
    by[part] = thread;
  });
  for (size_t i = 0; i < seen.size(); ++i) {
    if (by[i] == 1) {
      EXPECT_EQ(seen[i], 0.0f);
    }
  }
}

TEST(Cores, QuotaText) {
  EXPECT_EQ(cores_of_quota("max 100000"), 0);
  EXPECT_EQ(cores_of_quota("200000 100000\n"), 2);
  EXPECT_EQ(cores_of_quota("150000 100000"), 1);
  EXPECT_EQ(cores_of_quota("50000 100000"), 1);
  EXPECT_EQ(cores_of_quota("-1 100000"), 0);
  EXPECT_EQ(cores_of_quota(""), 0);
  EXPECT_EQ(cores_of_quota("100000"), 0);
  EXPECT_EQ(cores_of_quota("100000 0"), 0);
  EXPECT_EQ(cores_of_quota("99999999999999999999 1"), 0);
  EXPECT_GE(usable_cores(), 1);
}

}  // namespace
}  // namespace weft
