// SPDX-License-Identifier: Apache-2.0
#include "net/blocking_client.h"

#include <boost/asio/io_context.hpp>
#include <optional>

namespace weft::net {

struct BlockingClient::Impl {
  explicit Impl(ClientOptions options) : client(io, std::move(options)) {}
  boost::asio::io_context io;
  Client client;
};

BlockingClient::BlockingClient(ClientOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}

BlockingClient::~BlockingClient() = default;

Result<Response> BlockingClient::send(Request request) {
  std::optional<Result<Response>> answer;
  impl_->client.send(std::move(request),
                     [&](Result<Response> result) { answer.emplace(std::move(result)); });
  impl_->io.restart();
  while (!answer.has_value()) {
    CHECK(impl_->io.run_one() > 0, "the request is under way and nothing is left to wait for");
  }
  return std::move(*answer);
}

}  // namespace weft::net
