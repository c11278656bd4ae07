// SPDX-License-Identifier: Apache-2.0
//
// The compute pool: a fixed set of threads that runs the parts of one loop and waits for all of
// them. The caller is one of the threads. Parts are claimed one by one (cores are shared, so an
// equal share is not an equal time); therefore a part must compute the same whoever runs it, and
// nothing may depend on how many threads there are.
//
// Workers spin for a short while after a loop, because the next one follows within microseconds
// when a model runs, and then park in the kernel. A loop ends when its parts have, not when every
// worker has come by: a worker that the system keeps from running delays nobody. Every worker
// flushes denormals (FTZ and DAZ).
// Not here: queues, futures, nested loops. A pool serves one caller at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>
#include <thread>
#include <vector>

namespace weft {

// Sets FTZ and DAZ of this thread and restores what was there: results below 2^-126 are zero on
// every path, so that no instruction set can differ in them (nor be slow).
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  uint32_t saved_;
};

// Cores this process may use: the affinity mask, cut to the CPU quota of its control groups. >= 1.
int usable_cores();

// Cores that a control group's "QUOTA PERIOD" grants ("max 100000": no limit, 0; "150000 100000":
// 1, rounded down but never below 1). 0 for text it does not know.
int cores_of_quota(std::string_view text);

class ThreadPool {
 public:
  // `threads` >= 1 counts the caller.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }

  // Calls fn(part, thread) for every part in [0, parts), thread in [0, threads()), and returns
  // when all have finished. The parts of one thread never overlap in time.
  template <class Function>
  void parallel_for(int64_t parts, Function&& fn) {
    run(parts, [](void* context, int64_t part, int thread) {
      (*static_cast<std::remove_reference_t<Function>*>(context))(part, thread);
    }, const_cast<void*>(static_cast<const void*>(&fn)));
  }

 private:
  using Call = void (*)(void* context, int64_t part, int thread);
  void run(int64_t parts, Call call, void* context);
  void work(int thread);
  void claim_parts(int thread);

  // The loop being run. Written by the caller while no part is left and none is running; read only
  // by a thread that has claimed a part, which keeps the loop from ending under it.
  Call call_ = nullptr;
  void* context_ = nullptr;
  int64_t parts_ = 0;

  alignas(64) std::atomic<uint32_t> round_{0};      // one more for every loop; workers park on it
  std::atomic<bool> stop_{false};
  alignas(64) std::atomic<int64_t> unclaimed_{0};   // parts of this loop that nobody has claimed
  alignas(64) std::atomic<uint32_t> finished_{0};   // parts that have ended; the caller parks on it
  int threads_;
  std::vector<std::thread> workers_;
};

}  // namespace weft
