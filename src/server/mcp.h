// SPDX-License-Identifier: Apache-2.0
//
// The Model Context Protocol (2025-11-25 and before), as a server: every workflow is a tool, its
// definition and its runs are resources, and an operator may publish files and prompts. What a
// workflow asks of people while it runs (an approval, a signal) is asked of the client's person.
// Workflows are those of the server's files and those that the client's tenant has stored, as they
// are when they are asked for.
//
// This is the protocol without a transport: messages in, messages out. HTTP is mcp_api.h, standard
// input and output are cli/mcp. A run outlives the call that started it: a client that comes back
// finds it among the resources.
//
// On the loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "security/permission.h"
#include "server/catalog.h"
#include "server/context.h"
#include "server/mcp_documents.h"

namespace weft::server {

// The newest first.
inline constexpr std::string_view kMcpVersions[] = {"2025-11-25", "2025-06-18", "2025-03-26",
                                                    "2024-11-05"};

// JSON-RPC's numbers for what went wrong.
enum class McpError : int {
  kParse = -32700,
  kRequest = -32600,
  kMethod = -32601,
  kParameters = -32602,
  kInternal = -32603,
  kNoResource = -32002,
};
json::Object mcp_error(const json::Value& id, McpError code, std::string_view message);

class McpCall;

// One client, from `initialize` on.
class McpSession : public std::enable_shared_from_this<McpSession> {
 public:
  // Where the messages of one request go: those on its way, the last one is its answer. `last`
  // comes exactly once, unless the session ends before.
  using Sink = std::function<void(json::Object message, bool last)>;

  McpSession(ServerContext& context, std::shared_ptr<const McpDocuments> documents,
             security::Caller caller);
  ~McpSession();

  // A message of the client. A request answers through `sink`; notifications and answers to what
  // the server has asked never call it.
  void handle(json::Value message, Sink sink);
  // Messages that belong to no request: changes of resources. Null: nobody listens.
  void set_listener(Sink sink) { listener_ = std::move(sink); }
  // The client has gone for good: what it asked for goes on, nobody is told.
  void end();

  size_t open_calls() const { return calls_.size(); }
  const security::Caller& caller() const { return caller_; }
  bool initialized() const { return !version_.empty(); }
  const std::string& version() const { return version_; }

 private:
  friend class McpCall;
  void request(const std::string& method, const json::Object& params, const json::Value& id,
               Sink sink);
  void notification(const std::string& method, const json::Object& params);
  void answer(const json::Object& message);

  Result<json::Object> initialize(const json::Object& params);
  // What needs to know the workflows that there are for this client.
  using Workflows = Catalog::Workflows;
  using OfWorkflows = Result<json::Object> (McpSession::*)(const json::Object& params,
                                                           const Workflows& workflows) const;
  static OfWorkflows of_workflows(std::string_view method, const json::Object& params);
  void answer_of_workflows(OfWorkflows method, const json::Object& params, const json::Value& id,
                           const Sink& sink);
  Result<json::Object> list_tools(const json::Object& params, const Workflows& workflows) const;
  Result<json::Object> list_resources(const json::Object& params,
                                      const Workflows& workflows) const;
  Result<json::Object> read_workflow(const json::Object& params, const Workflows& workflows) const;
  Result<json::Object> complete(const json::Object& params, const Workflows& workflows) const;
  Result<json::Object> set_level(const json::Object& params);
  Result<json::Object> unsubscribe(const json::Object& params);
  void subscribe(const json::Object& params, const json::Value& id, const Sink& sink);
  void watch(const std::string& uri, const std::string& run);
  void read_resource(const json::Object& params, const json::Value& id, const Sink& sink);

  // For calls: asks the client something, on the way of a request. The key of the question, under
  // which `asked_` has it until it is answered.
  std::string ask(std::string_view method, json::Object params, const Sink& sink,
                  std::function<void(Result<json::Object>)> then);
  bool can_ask_people() const { return elicitation_; }
  // "info" and more severe, as the client wants to hear.
  bool wants_log(std::string_view level) const;

  ServerContext& context_;
  const std::shared_ptr<const McpDocuments> documents_;
  const security::Caller caller_;
  std::string version_;
  bool elicitation_ = false;
  int level_ = 1;                                         // of logging: index of its word
  std::map<std::string, std::shared_ptr<McpCall>> calls_;  // by the id of the request, as JSON
  std::map<std::string, std::function<void(Result<json::Object>)>> asked_;  // by our own id
  int64_t newest_question_ = 0;
  std::map<std::string, uint64_t> watched_;               // runs by URI: listeners
  Sink listener_;
};

}  // namespace weft::server
