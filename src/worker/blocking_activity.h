// SPDX-License-Identifier: Apache-2.0
//
// Work of a step that blocks a thread of a pool: begun there, told from there. Cancelling prevents
// what has not begun, which waits no more from then on and has not acted. What runs ends early only
// if it looks at the flag that it is given; nobody hears of it in any case.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "worker/step_type.h"

namespace weft::worker {

// It waits in the pool's queue until a thread begins it, or it is cancelled: whoever is first.
class BlockingTurn {
 public:
  explicit BlockingTurn(Pool& pool) : pool_(pool) { pool_.count_waiting(1); }
  bool begin() { return leave(State::kBegun); }
  void cancel() {
    cancelled_ = true;
    leave(State::kGone);
  }
  bool begun() const { return state_ == State::kBegun; }
  const std::atomic<bool>& cancelled() const { return cancelled_; }

 private:
  enum class State : uint8_t { kWaiting, kBegun, kGone };
  bool leave(State to) {
    State from = State::kWaiting;
    if (!state_.compare_exchange_strong(from, to)) return false;
    pool_.count_waiting(-1);
    return true;
  }

  Pool& pool_;
  std::atomic<State> state_ = State::kWaiting;
  std::atomic<bool> cancelled_ = false;
};

class BlockingActivity final : public Activity {
 public:
  explicit BlockingActivity(std::shared_ptr<BlockingTurn> turn) : turn_(std::move(turn)) {}
  void cancel() override { turn_->cancel(); }
  Stopped stop_at_limit() override {
    cancel();
    return {.maybe_acted = turn_->begun()};
  }

 private:
  std::shared_ptr<BlockingTurn> turn_;
};

// `work` yields the outcome; it may take the flag that says it was cancelled.
template <class Work>
Started on_pool(Pool& pool, StepDone done, Work work) {
  auto turn = std::make_shared<BlockingTurn>(pool);
  pool.submit([turn, done = std::move(done), work = std::move(work)]() mutable {
    if (!turn->begin()) return;
    if constexpr (std::is_invocable_v<Work&, const std::atomic<bool>&>) {
      done(work(turn->cancelled()));
    } else {
      done(work());
    }
  });
  return {std::nullopt, std::make_unique<BlockingActivity>(std::move(turn))};
}

}  // namespace weft::worker
