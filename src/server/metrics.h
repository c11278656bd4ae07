// SPDX-License-Identifier: Apache-2.0
//
// What the server counts, as Prometheus reads it: vLLM's names behind `weft_`, so that dashboards
// port by replacing the prefix, and the three names of workflows that are fixed. Counters live
// here; what is a state of something else (connections, the engine's cache) is read when asked for.
//
// From any thread. The library's own HTTP server is not used.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "backend/direct.h"
#include "backend/remote.h"
#include "net/http_server.h"

namespace weft::server {

class Metrics {
 public:
  Metrics();
  ~Metrics();

  // An answer to an HTTP request. `route`: the pattern, not the path, or "" for none.
  void http_request(std::string_view route, int status, double seconds);
  // A generation ended. `first_token_seconds` < 0: there was none.
  void generation(const std::string& model, const backend::ChatResult& result, double seconds,
                  double first_token_seconds);
  // A workflow run ended.
  void workflow(const std::string& workflow, double seconds, bool succeeded);

  // Tokens generated for chats, and for workflow runs that have ended, since the start.
  struct Tokens {
    int64_t reasoning = 0;
    int64_t answer = 0;
  };
  void tokens(const Tokens& more);
  Tokens tokens() const;

  struct States {
    std::vector<backend::ModelFacts> models;
    net::HttpServerStats http;
    int64_t answers = 0;  // being generated
    std::vector<backend::EndpointFacts> endpoints = {};  // of other servers
    struct Witness {
      int64_t lines = 0;     // of checkpoints that the webhook has
      int64_t failures = 0;
      double lag_seconds = 0;  // age of the oldest that it has not
    };
    std::optional<Witness> witness = {};  // nothing: there is no webhook
    struct Retention {
      int64_t records = 0;  // of the audit, removed
      int64_t runs = 0;     // removed
      int64_t failures = 0;
      int64_t applied_s = 0;  // since 1970; 0: not yet
    };
    std::optional<Retention> retention = {};  // nothing: everything stays
    struct Work {
      int64_t runs_left_alone = 0;  // they cannot be read, or nothing can be written of them
      int64_t files_waiting = 0;    // steps that wait for a thread
      int64_t commands_waiting = 0;
      int64_t peers_waiting = 0;    // databases, mail
    };
    std::optional<Work> work = {};  // of runs in this process; nothing: none can be here
  };
  // In the text format that Prometheus scrapes.
  std::string text(const States& states) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::server
