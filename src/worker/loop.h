// SPDX-License-Identifier: Apache-2.0
//
// The one thread on which a process decides: the executor and the callbacks of its steps run here,
// one after the other, so they need no locks. Whatever takes longer than a millisecond goes to a
// Pool and comes back by post(). Two worlds: AsioLoop (real time, network) and the simulator's.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

namespace weft::worker {

class Loop {
 public:
  using Task = std::function<void()>;
  using TimerId = uint64_t;  // 0: none

  virtual ~Loop() = default;
  // Runs the task soon, after the tasks posted before it. From any thread.
  virtual void post(Task task) = 0;
  // Runs the task after at least `delay_us`. Only on the loop's thread, as is cancel().
  virtual TimerId after(int64_t delay_us, Task task) = 0;
  virtual void cancel(TimerId timer) = 0;
};

// Threads for work that blocks. A task must not throw; it reports by Loop::post.
class Pool {
 public:
  virtual ~Pool() = default;
  virtual void submit(std::function<void()> task) = 0;

  // Work of steps that waits for a thread, as far as it is counted (blocking_activity.h). From any
  // thread.
  void count_waiting(int64_t more) { waiting_ += more; }
  int64_t waiting() const { return waiting_; }

 private:
  std::atomic<int64_t> waiting_ = 0;
};

}  // namespace weft::worker
