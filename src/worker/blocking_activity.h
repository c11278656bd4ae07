// SPDX-License-Identifier: Apache-2.0
//
// Work of a step that blocks a thread of the pool: begun there, told from there. It cannot be
// called back once it runs; cancelling prevents what has not begun, and nobody hears of the rest.
#pragma once

#include <atomic>
#include <memory>
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

// `work` yields the outcome.
template <class Work>
Started on_pool(const StepContext& context, StepDone done, Work work) {
  auto cancelled = std::make_shared<std::atomic<bool>>(false);
  context.services->pool.submit(
      [cancelled, done = std::move(done), work = std::move(work)]() mutable {
        if (!*cancelled) done(work());
      });
  return {std::nullopt, std::make_unique<BlockingActivity>(std::move(cancelled))};
}

}  // namespace weft::worker
