// SPDX-License-Identifier: Apache-2.0
#include "base/threads.h"

#include <sched.h>
#include <xmmintrin.h>

#include <algorithm>
#include <charconv>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/strings.h"

namespace weft {
namespace {

constexpr uint32_t kFlushToZero = 0x8000;
constexpr uint32_t kDenormalsAreZero = 0x0040;

// About 20 µs of `pause` on the machines we know: longer than the gap between two operations of
// a forward pass, short enough not to steal a contended core.
constexpr int kSpins = 400;

// A wait that spins, then parks. Returns the first value that differs from `old`.
template <class T>
T wait_change(const std::atomic<T>& value, T old) {
  for (int spin = 0; spin < kSpins; ++spin) {
    const T now = value.load(std::memory_order_acquire);
    if (now != old) return now;
    _mm_pause();
  }
  while (true) {
    value.wait(old, std::memory_order_acquire);
    const T now = value.load(std::memory_order_acquire);
    if (now != old) return now;
  }
}

// Reads "cpu.max" of the control group and of all its parents (version 2), or the quota of
// version 1. 0: no limit.
int cores_of_groups() {
  int cores = 0;
  const auto limit = [&cores](std::string_view text) {
    const int found = cores_of_quota(text);
    if (found > 0) cores = cores == 0 ? found : std::min(cores, found);
  };
  const auto membership = read_file("/proc/self/cgroup", 1 << 16);
  if (!membership.ok()) return 0;
  const size_t at = membership.value().find("0::/");
  if (at != std::string::npos) {
    std::string path = membership.value().substr(at + 3);
    path.resize(std::min(path.find('\n'), path.size()));
    while (true) {
      const auto text = read_file("/sys/fs/cgroup" + path + "/cpu.max", 1 << 12);
      if (text.ok()) limit(text.value());
      if (path.empty()) break;
      path.resize(path.rfind('/'));
    }
  }
  const auto quota = read_file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", 1 << 12);
  const auto period = read_file("/sys/fs/cgroup/cpu/cpu.cfs_period_us", 1 << 12);
  if (quota.ok() && period.ok()) {
    limit(std::string(trim(quota.value())) + " " + std::string(trim(period.value())));
  }
  return cores;
}

}  // namespace

FlushDenormals::FlushDenormals() : saved_(_mm_getcsr()) {
  _mm_setcsr(saved_ | kFlushToZero | kDenormalsAreZero);
}
FlushDenormals::~FlushDenormals() { _mm_setcsr(saved_); }

// "QUOTA PERIOD" in microseconds; "max" is no limit. Rounded down: with two and a half cores a
// third thread would only stand in the way of the barrier that all threads of a pass wait at.
int cores_of_quota(std::string_view text) {
  int64_t quota = 0;
  int64_t period = 0;
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, quota);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != ' ') return 0;
  const auto second = std::from_chars(first.ptr + 1, end, period);
  if (second.ec != std::errc() || quota <= 0 || period <= 0) return 0;
  return static_cast<int>(std::clamp<int64_t>(quota / period, 1, 4096));
}

// Not std::thread::hardware_concurrency(): it knows the affinity of the process, but in a container
// it sees the machine, and 64 threads on two granted cores spin away each other's time.
int usable_cores() {
  cpu_set_t set;
  int cores = 1;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = std::max(1, CPU_COUNT(&set));
  const int granted = cores_of_groups();
  return granted > 0 ? std::min(cores, granted) : cores;
}

ThreadPool::ThreadPool(int threads) : threads_(threads) {
  CHECK(threads >= 1 && threads <= 4096, "threads={}", threads);
  workers_.reserve(static_cast<size_t>(threads - 1));
  for (int thread = 1; thread < threads; ++thread) {
    workers_.emplace_back([this, thread] { work(thread); });
  }
}

// The workers wait for a change of round_: an empty round with stop_ set is how they learn the end.
ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(int64_t parts, Call call, void* context) {
  CHECK(parts >= 0 && parts <= INT32_MAX, "{} parts", parts);
  if (parts <= 1 || workers_.empty()) {
    for (int64_t part = 0; part < parts; ++part) call(context, part, 0);
    return;
  }
  CHECK(unclaimed_.load(std::memory_order_relaxed) == 0, "a pool serves one caller at a time");
  call_ = call;
  context_ = context;
  parts_ = parts;
  finished_.store(0, std::memory_order_relaxed);
  unclaimed_.store(parts, std::memory_order_release);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  claim_parts(0);
  uint32_t finished = finished_.load(std::memory_order_acquire);
  while (finished != static_cast<uint32_t>(parts)) finished = wait_change(finished_, finished);
}

// Claims by counting down. A thread that was away between reading the count and exchanging it may
// find the next loop's count, equal by chance: then it has claimed a part of that loop, and reads
// that loop's fields below, which is as good.
void ThreadPool::claim_parts(int thread) {
  int64_t left = unclaimed_.load(std::memory_order_acquire);
  uint32_t mine = 0;
  while (left > 0) {
    if (!unclaimed_.compare_exchange_weak(left, left - 1, std::memory_order_acq_rel,
                                          std::memory_order_acquire)) {
      continue;
    }
    call_(context_, parts_ - left, thread);
    ++mine;
    left = unclaimed_.load(std::memory_order_acquire);
  }
  if (mine == 0) return;  // it may be the next loop's time already
  finished_.fetch_add(mine, std::memory_order_release);
  finished_.notify_one();
}

void ThreadPool::work(int thread) {
  const FlushDenormals flush;
  uint32_t round = 0;
  while (true) {
    round = wait_change(round_, round);
    if (stop_.load(std::memory_order_relaxed)) return;
    claim_parts(thread);
  }
}

}  // namespace weft
