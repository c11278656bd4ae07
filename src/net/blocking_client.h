// SPDX-License-Identifier: Apache-2.0
//
// The client for commands that do one thing after the other and may wait for it: the same requests
// through the same guard (net/client.h), with an io_context of its own that runs only while a
// request is under way. Not for the engine or the server, where nothing may block.
//
// One thread at a time.
#pragma once

#include <memory>

#include "base/error.h"
#include "net/client.h"

namespace weft::net {

class BlockingClient {
 public:
  explicit BlockingClient(ClientOptions options);
  ~BlockingClient();
  BlockingClient(const BlockingClient&) = delete;
  BlockingClient& operator=(const BlockingClient&) = delete;

  // Errors as Client::send. request.on_body is called on this thread, before it returns.
  Result<Response> send(Request request);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::net
