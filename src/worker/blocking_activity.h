// SPDX-License-Identifier: Apache-2.0
//
// Work of a step that blocks a thread of a pool: begun there, told from there. Cancelling prevents
// what has not begun. What runs ends early only if it looks at the flag that it is given; nobody
// hears of it in any case.
#pragma once

#include <atomic>
#include <memory>
#include <type_traits>
#include <utility>

#include "worker/step_type.h"

namespace weft::worker {

class BlockingActivity final : public Activity {
 public:
  explicit BlockingActivity(std::shared_ptr<std::atomic<bool>> cancelled)
      : cancelled_(std::move(cancelled)) {}
  void cancel() override { *cancelled_ = true; }

 private:
  std::shared_ptr<std::atomic<bool>> cancelled_;
};

// `work` yields the outcome; it may take the flag that says it was cancelled.
template <class Work>
Started on_pool(Pool& pool, StepDone done, Work work) {
  auto cancelled = std::make_shared<std::atomic<bool>>(false);
  pool.submit([cancelled, done = std::move(done), work = std::move(work)]() mutable {
    if (*cancelled) return;
    if constexpr (std::is_invocable_v<Work&, const std::atomic<bool>&>) {
      done(work(*cancelled));
    } else {
      done(work());
    }
  });
  return {std::nullopt, std::make_unique<BlockingActivity>(std::move(cancelled))};
}

}  // namespace weft::worker
