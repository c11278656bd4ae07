// SPDX-License-Identifier: Apache-2.0
#include "net/http_server.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <set>

#include "net/http_connection.h"
#include "net/tls_identity.h"

namespace weft::net {

namespace asio = boost::asio;

namespace {

Result<asio::ip::tcp::acceptor> listen_at(asio::io_context& io, const std::string& host,
                                          uint16_t port) {
  boost::system::error_code error;
  const auto refused = [&](std::string_view what) {
    return make_error("E0821",
                      fmt::format("cannot listen at {} port {}: {}", host, port, what),
                      "is another server running there? choose another with --port");
  };
  const asio::ip::address address = asio::ip::make_address(host, error);
  if (error) return refused("not an address such as 127.0.0.1 or ::1");
  asio::ip::tcp::acceptor acceptor(io);
  const asio::ip::tcp::endpoint endpoint(address, port);
  acceptor.open(endpoint.protocol(), error);
  if (error) return refused(error.message());
  acceptor.set_option(asio::ip::tcp::acceptor::reuse_address(true), error);
  acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return refused(error.message());
  return acceptor;
}

Error not_listening(int listening, std::string_view what) {
  return make_error("E0821", fmt::format("file descriptor {} {}", listening, what),
                    "a socket unit of systemd hands over one TCP socket that listens");
}

Result<asio::ip::tcp::acceptor> take_listening(asio::io_context& io, int listening) {
  const ListenAddress at = TRY(address_of(listening));
  boost::system::error_code error;
  const auto address = asio::ip::make_address(at.host, error);
  asio::ip::tcp::acceptor acceptor(io);
  acceptor.assign(address.is_v6() ? asio::ip::tcp::v6() : asio::ip::tcp::v4(), listening, error);
  if (error) return not_listening(listening, error.message());
  return acceptor;
}

// Too many open files and the like pass; a closed acceptor does not. What was accepted just before
// it closed is served: its client has been told that it is connected.
asio::awaitable<void> accept_all(std::shared_ptr<ServerState> state) {
  for (;;) {
    boost::system::error_code error;
    asio::ip::tcp::socket socket(state->io);
    co_await state->acceptor.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
    if (state->ended || (error && !state->acceptor.is_open())) co_return;
    if (error) {
      asio::steady_timer pause(state->io, std::chrono::milliseconds(100));
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
      continue;
    }
    ++state->stats.accepted;
    start_connection(state, std::move(socket));
    if (!state->acceptor.is_open()) co_return;
  }
}

}  // namespace

Result<ListenAddress> address_of(int listening) {
  int value = 0;
  socklen_t size = sizeof value;
  if (::getsockopt(listening, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) != 0 || value != 1) {
    return not_listening(listening, "is no socket that listens");
  }
  asio::ip::tcp::endpoint endpoint;
  size = static_cast<socklen_t>(endpoint.capacity());
  if (::getsockname(listening, endpoint.data(), &size) != 0) {
    return not_listening(listening, std::strerror(errno));
  }
  const int family = endpoint.data()->sa_family;
  if (family != AF_INET && family != AF_INET6) return not_listening(listening, "is not TCP");
  endpoint.resize(size);
  return ListenAddress{endpoint.address().to_string(), endpoint.port()};
}

struct HttpServer::Shared {
  std::shared_ptr<ServerState> state;
};

HttpServer::HttpServer(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}

Result<std::unique_ptr<HttpServer>> HttpServer::start(asio::io_context& io, HttpRouter router,
                                                      HttpServerOptions options) {
  asio::ip::tcp::acceptor acceptor = TRY(options.listening < 0
                                             ? listen_at(io, options.host, options.port)
                                             : take_listening(io, options.listening));
  auto state = std::make_shared<ServerState>(io, std::move(router), std::move(options),
                                             std::move(acceptor));
  auto shared = std::make_shared<Shared>();
  shared->state = state;
  asio::co_spawn(io, accept_all(state), asio::detached);
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(shared)));
}

HttpServer::~HttpServer() {
  shared_->state->on_stopped = nullptr;
  shared_->state->close_all();
}

uint16_t HttpServer::port() const {
  boost::system::error_code error;
  return shared_->state->acceptor.local_endpoint(error).port();
}

HttpServerStats HttpServer::stats() const {
  HttpServerStats out = shared_->state->stats;
  if (shared_->state->tls) out.tls_ends_s = shared_->state->tls->ends_s();
  return out;
}

void HttpServer::set_tls(std::shared_ptr<const TlsIdentity> tls) {
  CHECK(tls && shared_->state->tls, "TLS begins with the server");
  shared_->state->tls = std::move(tls);
}

void HttpServer::stop(int64_t drain_ms, std::function<void()> stopped) {
  ServerState& state = *shared_->state;
  CHECK(!state.draining, "a server stops once");
  state.on_stopped = std::move(stopped);
  state.begin_draining();
  const int64_t grace_ms = std::min(state.options.idle_grace_ms, drain_ms);
  if (grace_ms <= 0) state.close_idle();
  state.grace_timer.expires_after(std::chrono::milliseconds(grace_ms));
  state.grace_timer.async_wait(
      [weak = std::weak_ptr(shared_->state)](const boost::system::error_code& error) {
        const auto held = weak.lock();
        if (!error && held) held->close_idle();
      });
  state.drain_timer.expires_after(std::chrono::milliseconds(drain_ms));
  state.drain_timer.async_wait(
      [weak = std::weak_ptr(shared_->state)](const boost::system::error_code& error) {
        const auto held = weak.lock();
        if (!error && held) held->close_all();
      });
  state.check_stopped();
}

}  // namespace weft::net
