// SPDX-License-Identifier: Apache-2.0
#include "net/http_server.h"

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
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

// Too many open files and the like pass; a closed acceptor does not.
asio::awaitable<void> accept_all(std::shared_ptr<ServerState> state) {
  for (;;) {
    boost::system::error_code error;
    asio::ip::tcp::socket socket(state->io);
    co_await state->acceptor.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
    if (!state->acceptor.is_open()) co_return;
    if (error) {
      asio::steady_timer pause(state->io, std::chrono::milliseconds(100));
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
      continue;
    }
    ++state->stats.accepted;
    start_connection(state, std::move(socket));
  }
}

}  // namespace

struct HttpServer::Shared {
  std::shared_ptr<ServerState> state;
};

HttpServer::HttpServer(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}

Result<std::unique_ptr<HttpServer>> HttpServer::start(asio::io_context& io, HttpRouter router,
                                                      HttpServerOptions options) {
  asio::ip::tcp::acceptor acceptor = TRY(listen_at(io, options.host, options.port));
  auto state = std::make_shared<ServerState>(io, std::move(router), std::move(options),
                                             std::move(acceptor));
  auto shared = std::make_shared<Shared>();
  shared->state = state;
  asio::co_spawn(io, accept_all(state), asio::detached);
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(shared)));
}

HttpServer::~HttpServer() {
  shared_->state->on_stopped = nullptr;
  shared_->state->close_all(true);
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
  state.close_all(false);
  state.drain_timer.expires_after(std::chrono::milliseconds(drain_ms));
  state.drain_timer.async_wait(
      [weak = std::weak_ptr(shared_->state)](const boost::system::error_code& error) {
        const auto held = weak.lock();
        if (!error && held) held->close_all(true);
      });
  state.check_stopped();
}

}  // namespace weft::net
