// SPDX-License-Identifier: Apache-2.0
#include "server/otlp.h"

#include "obs/log.h"
#include "server/runs.h"
#include "worker/run_trace.h"

namespace weft::server {
namespace {

constexpr size_t kWaitingMax = 1000;
constexpr int64_t kSendingMax = 8;
constexpr int64_t kSendTimeoutMs = 10'000;

}  // namespace

void Otlp::ended(const std::string& run) {
  if (stopped_) return;
  if (waiting_.size() >= kWaitingMax) {
    ++dropped_;
    return;
  }
  waiting_.push_back(run);
  next();
}

void Otlp::next() {
  if (stopped_ || waiting_.empty() || sending_ >= kSendingMax) return;
  const std::string run = std::move(waiting_.front());
  waiting_.pop_front();
  ++sending_;
  context_.runs->read<json::Object>(
      [run](store::Db& db) { return worker::run_trace(db, run); },
      [self = shared_from_this()](Result<json::Object> trace) {
        if (trace.ok()) return self->send(*trace);
        --self->sending_;
        ++self->dropped_;
        self->next();
      });
}

void Otlp::send(const json::Object& trace) {
  net::Request request;
  request.method = "POST";
  request.url = options_.endpoint + "/v1/traces";
  request.headers = options_.headers;
  request.headers.push_back({"Content-Type", "application/json"});
  request.body = json::dump(trace);
  request.total_timeout_ms = kSendTimeoutMs;
  request.redirects_max = 0;
  client_.send(std::move(request), [self = shared_from_this()](Result<net::Response> answer) {
    --self->sending_;
    const bool good = answer.ok() && answer->status >= 200 && answer->status < 300;
    ++(good ? self->sent_ : self->dropped_);
    if (!good && self->dropped_ == 1) {
      obs::log(obs::Level::kWarning, "otlp", "the collector takes no traces: {}",
               answer.ok() ? std::to_string(answer->status) : answer.error().message);
    }
    self->next();
  });
}

}  // namespace weft::server
