// SPDX-License-Identifier: Apache-2.0
//
// A thread that makes outbound requests and keeps their time, for units that have no loop of their
// own: a client (net/client.h), tasks posted to it, timers. Everything but post() is called on the
// thread itself, so what runs there needs no locks.
//
// Not for the executor, which has its loop (worker/asio_loop.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "net/client.h"

namespace weft::net {

class ClientThread {
 public:
  using Task = std::function<void()>;
  using TimerId = uint64_t;  // 0: none

  explicit ClientThread(ClientOptions options);
  // Runs what was posted, ends all requests, then the thread. Not from the thread itself.
  ~ClientThread();
  ClientThread(const ClientThread&) = delete;
  ClientThread& operator=(const ClientThread&) = delete;

  // From any thread, in order. After the destructor has begun nothing runs any more.
  void post(Task task);

  Client& client();
  TimerId after(int64_t delay_ms, Task task);
  void cancel(TimerId timer);  // of 0 and of one that has gone off: nothing

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::net
