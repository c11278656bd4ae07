// SPDX-License-Identifier: Apache-2.0
#include "worker/asio_loop.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.h"

namespace weft::worker {

namespace asio = boost::asio;

struct AsioLoop::State {
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  std::map<TimerId, asio::steady_timer> timers;
  TimerId last_timer = 0;
  std::unique_ptr<asio::signal_set> signals;
  Task interrupt;
  std::unique_ptr<asio::signal_set> hangups;
  Task hangup;

  void wait_for_interrupt() {
    signals->async_wait([this](const boost::system::error_code& error, int) {
      if (error) return;
      interrupt();
      if (signals) wait_for_interrupt();
    });
  }

  void wait_for_hangup() {
    hangups->async_wait([this](const boost::system::error_code& error, int) {
      if (error) return;
      hangup();
      wait_for_hangup();
    });
  }
};

AsioLoop::AsioLoop() : state_(std::make_unique<State>()) {}
AsioLoop::~AsioLoop() = default;

void AsioLoop::post(Task task) { asio::post(state_->context, std::move(task)); }

Loop::TimerId AsioLoop::after(int64_t delay_us, Task task) {
  CHECK(delay_us >= 0, "a timer {} us ago", -delay_us);
  const TimerId id = ++state_->last_timer;
  auto [place, fresh] = state_->timers.try_emplace(id, state_->context);
  CHECK(fresh, "timer {} exists", id);
  place->second.expires_after(std::chrono::microseconds(delay_us));
  place->second.async_wait(
      [this, id, task = std::move(task)](const boost::system::error_code& error) {
        if (error) return;  // cancelled
        state_->timers.erase(id);
        task();
      });
  return id;
}

void AsioLoop::cancel(TimerId timer) { state_->timers.erase(timer); }

void AsioLoop::run() { state_->context.run(); }
void AsioLoop::stop() { state_->context.stop(); }

void AsioLoop::on_interrupt(Task task) {
  CHECK(state_->signals == nullptr, "interrupts have one handler");
  state_->interrupt = std::move(task);
  state_->signals = std::make_unique<asio::signal_set>(state_->context, SIGINT, SIGTERM);
  state_->wait_for_interrupt();
}

void AsioLoop::on_hangup(Task task) {
  CHECK(state_->hangups == nullptr, "hang-ups have one handler");
  state_->hangup = std::move(task);
  state_->hangups = std::make_unique<asio::signal_set>(state_->context, SIGHUP);
  state_->wait_for_hangup();
}

void AsioLoop::default_interrupts() { state_->signals.reset(); }

asio::io_context& AsioLoop::io_context() { return state_->context; }

struct ThreadPool::State {
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::function<void()>> tasks;
  bool stopping = false;
  std::vector<std::thread> threads;

  void work() {
    for (;;) {
      std::function<void()> task;
      {
        std::unique_lock lock(mutex);
        wake.wait(lock, [this] { return stopping || !tasks.empty(); });
        if (stopping) return;
        task = std::move(tasks.front());
        tasks.pop_front();
      }
      task();
    }
  }
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>()) {
  CHECK(threads > 0, "{} threads", threads);
  for (int i = 0; i < threads; ++i) {
    state_->threads.emplace_back([this] { state_->work(); });
  }
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->wake.notify_all();
  for (std::thread& thread : state_->threads) thread.join();
}

void ThreadPool::submit(std::function<void()> task) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->tasks.push_back(std::move(task));
  }
  state_->wake.notify_one();
}

}  // namespace weft::worker
