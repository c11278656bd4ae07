// SPDX-License-Identifier: Apache-2.0
//
// For tests: weft processes in a simulated world. Journal, executor, planner, step types and SQLite
// are the production code; time, scheduling, crashes and failing commits come from the test. All
// processes share one thread: a test decides who takes the next turn, so a seed fixes everything.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/env.h"
#include "worker/executor.h"
#include "worker/journal.h"
#include "worker/sim_store.h"

namespace weft::worker {

class SimLoop final : public Loop {
 public:
  explicit SimLoop(SimEnv& env) : env_(env) {}
  void post(Task task) override { tasks_.push_back(std::move(task)); }
  TimerId after(int64_t delay_us, Task task) override {
    const TimerId id = ++last_;
    timers_.emplace(std::pair(env_.wall_us() + delay_us, id), std::move(task));
    return id;
  }
  void cancel(TimerId timer) override {
    std::erase_if(timers_, [&](const auto& entry) { return entry.first.second == timer; });
  }
  // One task or one due timer. False: nothing is due.
  bool turn() {
    if (!timers_.empty() && timers_.begin()->first.first <= env_.wall_us()) {
      Task task = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
      task();
      return true;
    }
    if (tasks_.empty()) return false;
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    task();
    return true;
  }
  std::optional<int64_t> next_timer_us() const {
    if (timers_.empty()) return std::nullopt;
    return timers_.begin()->first.first;
  }

 private:
  SimEnv& env_;
  std::deque<Task> tasks_;
  std::map<std::pair<int64_t, TimerId>, Task> timers_;
  TimerId last_ = 0;
};

// Blocking work becomes a task of its own: it can be cut off before it happened, not in between.
class SimPool final : public Pool {
 public:
  explicit SimPool(SimLoop& loop) : loop_(loop) {}
  void submit(std::function<void()> task) override {
    if (taken_) return waiting_.push_back(std::move(task));
    loop_.post(std::move(task));
  }
  // Others have every thread: what is submitted waits until they are free again.
  void take_threads() { taken_ = true; }
  void free_threads() {
    taken_ = false;
    for (auto& task : std::exchange(waiting_, {})) loop_.post(std::move(task));
  }

 private:
  SimLoop& loop_;
  bool taken_ = false;
  std::vector<std::function<void()>> waiting_;
};

// One process. Destroying it is kill -9: what is queued for the disk is gone.
class SimProcess {
 public:
  SimProcess(SimEnv& env, const StorePlace& store, int64_t room, int64_t park_us = 0,
             backend::Backend* backend = nullptr,
             int64_t inbox_ms = JournalOptions().inbox_ms, const ToolSettings* tools = nullptr)
      : loop_(env), pool_(loop_), services_{env, loop_, pool_, backend, nullptr, tools} {
    JournalOptions options;
    options.open = [this, store, &env] { return SimStore::open(store, env, faults_); };
    options.own_thread = false;
    options.fires_schedules = room > 0;
    options.inbox_ms = inbox_ms;
    journal_ = Journal::open(env, std::move(options), [this](Written written) {
                 auto shared = std::make_shared<Written>(std::move(written));
                 loop_.post([this, shared] { executor_->handle(std::move(*shared)); });
               }).value();
    executor_ = std::make_shared<Executor>(services_, *journal_,
                                           [this](const Notice& n) { notices_.push_back(n); },
                                           ExecutorOptions{room, park_us, true});
  }
  ~SimProcess() {
    executor_->shutdown();
    executor_.reset();
  }

  Executor& executor() { return *executor_; }
  Journal& journal() { return *journal_; }
  SimLoop& loop() { return loop_; }
  SimPool& pool() { return pool_; }
  SimFaults& faults() { return faults_; }
  const std::vector<Notice>& notices() const { return notices_; }
  void forget_notices() { std::exchange(notices_, {}); }

 private:
  SimFaults faults_;
  SimLoop loop_;
  SimPool pool_;
  Services services_;
  std::vector<Notice> notices_;
  std::unique_ptr<Journal> journal_;
  std::shared_ptr<Executor> executor_;
};

}  // namespace weft::worker
