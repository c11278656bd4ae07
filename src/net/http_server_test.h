// SPDX-License-Identifier: Apache-2.0
//
// For tests of the HTTP server: one on a thread of its own, and how tests look into that thread.
// Routes are the tests' own; the exchange that a handler keeps goes before the server does.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <utility>

#include "net/http_server.h"

namespace weft::net::testing {

class ServerFixture : public ::testing::Test {
 protected:
  void serve(HttpRouter router, HttpServerOptions options) {
    auto server = HttpServer::start(io_, std::move(router), std::move(options));
    ASSERT_TRUE(server.ok()) << server.error().text();
    server_ = std::move(*server);
    port_ = server_->port();
    thread_ = std::thread([this] {
      const auto work = boost::asio::make_work_guard(io_);
      io_.run();
    });
  }
  template <class Function>
  auto on_loop(Function function) {
    std::promise<decltype(function())> done;
    boost::asio::post(io_, [&] { done.set_value(function()); });
    return done.get_future().get();
  }
  void TearDown() override {
    if (!thread_.joinable()) return;
    on_loop([this] {
      kept_.reset();
      server_.reset();
      return 0;
    });
    io_.stop();
    thread_.join();
  }
  HttpServerStats stats() {
    return on_loop([this] { return server_->stats(); });
  }
  // Within 20 seconds: only a fault waits so long.
  static bool comes_true(const std::function<bool()>& condition) {
    for (int i = 0; i < 2000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

  boost::asio::io_context io_{1};
  std::unique_ptr<HttpServer> server_;
  uint16_t port_ = 0;
  std::thread thread_;
  std::shared_ptr<Exchange> kept_;
};

}  // namespace weft::net::testing
