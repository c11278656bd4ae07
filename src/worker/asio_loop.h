// SPDX-License-Identifier: Apache-2.0
//
// The real world's Loop and Pool: one Asio io_context that network code shares, and a few threads
// for files. Headers of Asio stay out of this one: only units that speak to sockets need them.
#pragma once

#include <memory>

#include "worker/loop.h"

namespace boost::asio {
class io_context;
}

namespace weft::worker {

class AsioLoop final : public Loop {
 public:
  AsioLoop();
  ~AsioLoop() override;
  void post(Task task) override;
  TimerId after(int64_t delay_us, Task task) override;
  void cancel(TimerId timer) override;

  // Runs tasks on this thread until stop(). stop() may come from any thread.
  void run();
  void stop();
  // Calls the task on this loop for each SIGINT and SIGTERM.
  void on_interrupt(Task task);
  // Calls the task on this loop for each SIGHUP, which ends the process by default.
  void on_hangup(Task task);
  // From now on SIGINT and SIGTERM end the process, as they do by default.
  void default_interrupts();
  boost::asio::io_context& io_context();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

class ThreadPool final : public Pool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool() override;  // finishes what runs, drops what waits
  void submit(std::function<void()> task) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace weft::worker
