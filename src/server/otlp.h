// SPDX-License-Identifier: Apache-2.0
//
// Tells an OpenTelemetry collector of every run that ends: OTLP over HTTP, as JSON, to
// ENDPOINT/v1/traces. What a trace holds, worker/run_trace says.
//
// Telling never holds a run up: what cannot be sent within its time, or finds a thousand others
// waiting, is dropped and counted. On the loop; the store is read on the pool.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "net/client.h"
#include "server/context.h"

namespace weft::server {

struct OtlpOptions {
  std::string endpoint;                      // "http://localhost:4318"
  std::vector<net::Header> headers = {};     // of a collector that wants a key
};

class Otlp : public std::enable_shared_from_this<Otlp> {
 public:
  Otlp(ServerContext& context, net::Client& client, OtlpOptions options)
      : context_(context), client_(client), options_(std::move(options)) {}
  void ended(const std::string& run);
  void stop() { stopped_ = true; }
  int64_t sent() const { return sent_; }
  int64_t dropped() const { return dropped_; }

 private:
  void next();
  void send(const json::Object& trace);

  ServerContext& context_;
  net::Client& client_;
  const OtlpOptions options_;
  std::deque<std::string> waiting_;
  int64_t sending_ = 0;
  int64_t sent_ = 0;
  int64_t dropped_ = 0;
  bool stopped_ = false;
};

}  // namespace weft::server
