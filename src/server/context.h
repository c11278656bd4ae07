// SPDX-License-Identifier: Apache-2.0
//
// What every handler works with: the loop they all run on, threads for what takes longer, the
// models, the counters. Owned by the composition root (cli/serve), outlives every request.
//
// Handlers translate and call; rules live below.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "base/env.h"
#include "base/json.h"
#include "net/http_server.h"
#include "security/audit.h"
#include "security/crypto.h"
#include "security/redaction.h"
#include "server/metrics.h"
#include "worker/loop.h"

namespace weft::security {
class Oidc;
}

namespace weft::worker {
class CheckpointSender;
class Retention;
}

namespace weft::backend {
class LocalBackend;
class RemoteBackend;
}

namespace weft::server {

class Overview;
class McpEndpoint;
class Runs;
class StoredResponses;
struct ReplayState;
class Access;

struct ServerContext {
  Env& env;
  worker::Loop& loop;
  worker::Pool& pool;
  backend::Backend& chats;          // every model, also those of other servers
  backend::LocalBackend& backend;   // those of this process
  Metrics& metrics;
  Runs* runs = nullptr;
  StoredResponses* responses = nullptr;
  ReplayState* replay = nullptr;
  security::Oidc* oidc = nullptr;   // null: people do not sign in
  Access* access = nullptr;         // null: everybody may do everything
  Overview* overview = nullptr;
  McpEndpoint* mcp = nullptr;      // of /mcp
  std::string version = {};        // of this program
  std::vector<std::string> routes = {};  // names that the rules of routing know, besides models
  const backend::RemoteBackend* remote = nullptr;  // null: no model of another server
  std::function<net::HttpServerStats()> http_stats = {};
  std::function<Metrics::States::Work()> work = {};  // empty: no runs are worked on here
  std::function<void(security::AuditRecord)> audit = {};  // empty: nothing is recorded
  std::string checkpoints_file = {};  // of the audit; empty: none
  security::Secret audit_seed = {};   // signs there what is removed
  const worker::CheckpointSender* witness = nullptr;  // null: no webhook is told of them
  const worker::Retention* retention = nullptr;  // null: nothing is removed by itself
  security::Redaction redaction = {};  // of what is shown of runs, and of answers if it says so
  int64_t answers = 0;             // being generated; on the loop
  int64_t answers_max = 1024;      // further ones are told 429
  bool ready = false;              // the default model is loaded, or is not to be
  bool draining = false;           // it stops: streams that have no end of their own end now
  int64_t started_s = 0;           // seconds since 1970
};

using ExchangePtr = std::shared_ptr<net::Exchange>;

// Gives `then` the request's body as a JSON object, or its error; large ones are parsed on the
// pool. On the loop.
void with_body(ServerContext& context, const ExchangePtr& exchange,
               std::function<void(Result<json::Object>)> then);
// The same for a body that may be any JSON, not only an object.
void with_any_body(ServerContext& context, const ExchangePtr& exchange,
                   std::function<void(Result<json::Value>)> then);

// The model's name as the API takes it: one of those that exist here, never a path of this machine.
// E0710 with the nearest name.
Status check_model_name(ServerContext& context, std::string_view name);
// The same for chats, which models of other servers answer, too.
Status check_chat_model_name(ServerContext& context, std::string_view name);

// What is taken out of models' answers; null: nothing.
const security::Redaction* redaction_of_answers(const ServerContext& context);

// For requests that give none; as far as JSON's integers go.
uint64_t random_seed(Env& env);

}  // namespace weft::server
