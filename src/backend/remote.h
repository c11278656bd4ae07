// SPDX-License-Identifier: Apache-2.0
//
// Models that other servers answer for: vLLM, SGLang, llama.cpp, OpenAI, another weft. A model has
// one or several endpoints (endpoints.h chooses) and a kind that says how its requests are spelled
// (remote_form.h).
//
//   request --> endpoint --> stream --> result
//                 ^  | unreachable, 429, 5xx, silent, broken off
//                 +--+ only while nothing of the answer has been handed on, and in time
//
// Answers are not reproducible: no seed binds another server, so their evidence says who answered
// instead of how. Requests run on a thread of its own. It does not choose among models (router.h).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/endpoints.h"
#include "backend/remote_form.h"

namespace weft::backend {

struct RemoteModel {
  RemoteKind kind = RemoteKind::kOpenAi;
  std::string model;                    // the server's name for it
  std::vector<Endpoint> endpoints;      // at least one
  std::string api_key = {};             // sent as a bearer token; empty: none
  BreakerOptions breaker = {};
  int64_t connect_timeout_ms = 5'000;
  int64_t first_timeout_ms = 120'000;   // until the first piece of the answer
  int64_t pause_timeout_ms = 30'000;    // between two pieces
  int64_t total_timeout_ms = 1'800'000;
  int retries_max = 2;                  // beyond the first try
  int64_t pause_ms = 100;               // before the first repetition; then twice as long
};
using RemoteModels = std::map<std::string, RemoteModel>;  // by the name that requests give

// "[KIND:]URL[,URL…][#MODEL]", a URL with "*WEIGHT" behind it or not: what a command line can say.
// MODEL is `name` unless given. E0773.
Result<RemoteModel> remote_model_of(const std::string& name, std::string_view text);

struct EndpointFacts {
  std::string model, url;
  std::string breaker;  // "closed", "open", "half open"
  int outstanding = 0;
};

class RemoteBackend final : public Backend {
 public:
  explicit RemoteBackend(RemoteModels models);
  // Calls under way end as cancelled.
  ~RemoteBackend() override;

  // Errors through on_done: E0710 unknown model, E0770 and E0712 (remote_form.h), E0771 the server
  // refuses, E0772 nobody answers or the answer broke off.
  std::shared_ptr<ChatCall> chat(ChatRequest request, ChatCallbacks callbacks) override;
  bool is_remote(const std::string& model) const override { return knows(model); }

  bool knows(const std::string& model) const;
  std::vector<std::string> names() const;
  std::vector<EndpointFacts> endpoints() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace weft::backend
