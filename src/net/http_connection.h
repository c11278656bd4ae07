// SPDX-License-Identifier: Apache-2.0
//
// Inside of http_server: what its connections share, and the start of one. The only header of the
// module that shows Asio; only http_server.cc and http_connection.cc include it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <set>

#include "net/http_server.h"

namespace weft::net {

class Connection;

struct ServerState {
  ServerState(boost::asio::io_context& io_in, HttpRouter router_in, HttpServerOptions options_in,
              boost::asio::ip::tcp::acceptor acceptor_in)
      : io(io_in), router(std::move(router_in)), options(std::move(options_in)),
        tls(options.tls), acceptor(std::move(acceptor_in)), drain_timer(io_in),
        grace_timer(io_in) {}

  boost::asio::io_context& io;
  const HttpRouter router;
  const HttpServerOptions options;
  std::shared_ptr<const TlsIdentity> tls;  // of new connections; null: without
  boost::asio::ip::tcp::acceptor acceptor;
  boost::asio::steady_timer drain_timer;
  boost::asio::steady_timer grace_timer;
  HttpServerStats stats;
  std::set<Connection*> connections;  // they own themselves
  bool draining = false;
  bool ended = false;  // no connection begins any more
  std::function<void()> on_stopped;

  // Ends listening; connections are told so by their next answer.
  void begin_draining();
  // Those between requests.
  void close_idle();
  void close_all();
  void check_stopped();
};

void start_connection(const std::shared_ptr<ServerState>& state,
                      boost::asio::ip::tcp::socket socket);

}  // namespace weft::net
