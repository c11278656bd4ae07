// SPDX-License-Identifier: Apache-2.0
//
// Work of a step that blocks a thread of a pool: begun there, told from there. Cancelling prevents
// what has not begun, which then has not acted, either. What runs ends early only if it looks at
// the flag that it is given; nobody hears of it in any case.
#pragma once

#include <atomic>
#include <memory>
#include <type_traits>
#include <utility>

#include "worker/step_type.h"

namespace weft::worker {

struct BlockingWork {
  std::atomic<bool> taken = false;      // by the thread that begins it, or by who prevents that
  std::atomic<bool> cancelled = false;
};

class BlockingActivity final : public Activity {
 public:
  explicit BlockingActivity(std::shared_ptr<BlockingWork> work) : work_(std::move(work)) {}
  void cancel() override {
    work_->cancelled = true;
    prevented_ = prevented_ || !work_->taken.exchange(true);
  }
  Stopped stop_at_limit() override {
    cancel();
    return {.maybe_acted = !prevented_};
  }

 private:
  std::shared_ptr<BlockingWork> work_;
  bool prevented_ = false;
};

// `work` yields the outcome; it may take the flag that says it was cancelled.
template <class Work>
Started on_pool(Pool& pool, StepDone done, Work work) {
  auto state = std::make_shared<BlockingWork>();
  pool.submit([state, done = std::move(done), work = std::move(work)]() mutable {
    if (state->taken.exchange(true)) return;
    if constexpr (std::is_invocable_v<Work&, const std::atomic<bool>&>) {
      done(work(state->cancelled));
    } else {
      done(work());
    }
  });
  return {std::nullopt, std::make_unique<BlockingActivity>(std::move(state))};
}

}  // namespace weft::worker
