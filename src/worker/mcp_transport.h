// SPDX-License-Identifier: Apache-2.0
//
// How messages get to an MCP server and back: over the pipes of a program that is started here, or
// by HTTP requests. A transport knows nothing of what messages mean but their ids.
//
// On the loop.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "worker/tool_settings.h"

namespace weft::worker {

class AsioLoop;

class McpTransport {
 public:
  struct Events {
    std::function<void(json::Value)> message;
    // A message did not get there, or its answer did not come back; `id` of a request, or null.
    // `sent`: the server may have read it.
    std::function<void(const json::Value& id, Error error, bool sent)> lost;
    std::function<void(Error)> closed;     // nothing comes any more
  };
  virtual ~McpTransport() = default;
  virtual void send(const json::Object& message) = 0;
  // After the handshake: what the server has agreed to speak.
  virtual void set_version(const std::string& version) { (void)version; }
};

// E0630: the program cannot be started.
Result<std::unique_ptr<McpTransport>> start_mcp_program(AsioLoop& loop,
                                                        const McpServerSettings& settings,
                                                        McpTransport::Events events);
std::unique_ptr<McpTransport> reach_mcp_server(AsioLoop& loop, const McpServerSettings& settings,
                                               McpTransport::Events events);

}  // namespace weft::worker
