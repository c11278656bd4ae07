// SPDX-License-Identifier: Apache-2.0
#include "net/client_thread.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <map>
#include <thread>

namespace weft::net {

namespace asio = boost::asio;

struct ClientThread::Impl {
  explicit Impl(ClientOptions options)
      : client(std::make_unique<Client>(io, std::move(options))) {}

  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  std::unique_ptr<Client> client;
  std::map<TimerId, asio::steady_timer> timers;
  TimerId last_timer = 0;
  std::thread thread;
};

ClientThread::ClientThread(ClientOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {
  impl_->thread = std::thread([impl = impl_.get()] { impl->io.run(); });
}

ClientThread::~ClientThread() {
  CHECK(std::this_thread::get_id() != impl_->thread.get_id(), "a thread cannot wait for itself");
  asio::post(impl_->io, [impl = impl_.get()] {
    impl->timers.clear();
    impl->client.reset();  // its last callbacks are posted, and run
    impl->work.reset();
  });
  impl_->thread.join();
}

void ClientThread::post(Task task) { asio::post(impl_->io, std::move(task)); }

Client& ClientThread::client() {
  CHECK(impl_->client != nullptr, "the thread is ending");
  return *impl_->client;
}

ClientThread::TimerId ClientThread::after(int64_t delay_ms, Task task) {
  CHECK(delay_ms >= 0, "a timer {} ms ago", -delay_ms);
  const TimerId id = ++impl_->last_timer;
  auto& timer = impl_->timers.try_emplace(id, impl_->io).first->second;
  timer.expires_after(std::chrono::milliseconds(delay_ms));
  timer.async_wait([impl = impl_.get(), id,
                    task = std::move(task)](const boost::system::error_code& error) {
    if (error) return;  // cancelled
    impl->timers.erase(id);
    task();
  });
  return id;
}

void ClientThread::cancel(TimerId timer) { impl_->timers.erase(timer); }

}  // namespace weft::net
