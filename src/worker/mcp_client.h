// SPDX-License-Identifier: Apache-2.0
//
// Tools of MCP servers (Model Context Protocol, 2025-11-25 and before), called by name: programs
// that this process starts and talks to over pipes, or servers reached by HTTP. A server is started
// when it is first asked, kept, and started anew after it has died.
//
//   idle --first call--> starting --initialize--> ready --gone--> idle (its calls fail)
//
// Only tools are used; a server that asks something of its client is told that there is no such
// method. What servers say about their own tools (read-only, idempotent) is a hint and changes
// nothing about promises: the workflow declares what is safe.
//
// On the loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "worker/tool_settings.h"

namespace weft::worker {

class AsioLoop;
class McpConnection;

class McpClient {
 public:
  // The result of tools/call or the tools of a server. `maybe_acted`: an error after which nobody
  // knows whether the tool has done what it does.
  struct Failure {
    Error error;
    bool maybe_acted = false;
    bool may_pass = false;      // trying again makes sense
  };
  struct Answer {
    json::Object result;        // of JSON-RPC
    std::optional<Failure> failure = {};
  };
  using Done = std::function<void(Answer)>;

  McpClient(AsioLoop& loop, const std::map<std::string, McpServerSettings>& servers);
  // Ends the programs; no Done is called any more.
  ~McpClient();

  struct Call {
    std::string server, tool;
    json::Value arguments;
    std::string tenant = {};    // of the run that calls
    std::string idempotency_key = {};
    int64_t timeout_us = 0;     // 0: none
  };
  // `done` comes later, once. E0630 no such server for this tenant, or it cannot be reached;
  // E0631 it refuses; E0632 it does not speak the protocol, or went away in the middle.
  uint64_t call(Call call, Done done);
  // Is there such a server for this tenant? Nothing is started.
  bool knows(const Call& call) const;
  // The tools that a server offers, whoever may call them: {tools: […]}, all pages.
  void list(const std::string& server, int64_t timeout_us, Done done);
  // The server is told, and `done` is not called any more.
  void cancel(uint64_t call);

 private:
  // `tenant`: null for the operator, who sees them all.
  McpConnection* connection(const std::string& server, const std::string* tenant,
                            const Done& done);
  void list_page(const std::string& server, int64_t timeout_us, json::Array so_far,
                 const std::string& cursor, Done done);

  AsioLoop& loop_;
  std::map<std::string, std::unique_ptr<McpConnection>> servers_;
  uint64_t newest_call_ = 0;
};

// A tool as its server lists it, as a workflow declares one: pinned with the run, so that what a
// model may call does not change under it.
json::Object declaration_of_mcp_tool(const std::string& server, const json::Object& tool);

}  // namespace weft::worker
