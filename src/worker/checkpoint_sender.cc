// SPDX-License-Identifier: Apache-2.0
#include "worker/checkpoint_sender.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "base/env.h"
#include "obs/log.h"
#include "worker/callbacks.h"

namespace weft::worker {
namespace {

constexpr int64_t kUsPerSecond = 1'000'000;
constexpr int64_t kAskUs = 1 * kUsPerSecond;
constexpr int64_t kRetryUsMax = 300 * kUsPerSecond;
constexpr int64_t kFinishUs = 3 * kUsPerSecond;
constexpr int64_t kTellTimeoutMs = 30'000;

bool taken(const Result<net::Response>& answer) {
  return answer.ok() && answer->status >= 200 && answer->status < 300;
}

std::string why_not(const Result<net::Response>& answer) {
  return answer.ok() ? fmt::format("it answered {}", answer->status) : answer.error().text();
}

}  // namespace

CheckpointSender::CheckpointSender(AsioLoop& loop, Pool& pool, CheckpointWebhook webhook)
    : loop_(loop),
      pool_(pool),
      webhook_(std::move(webhook)),
      outbox_(webhook_.file, webhook_.url) {}

void CheckpointSender::start() {
  client_.emplace(loop_.io_context(), webhook_.client);
  look();
}

void CheckpointSender::stop() {
  stopped_ = true;
  if (timer_ != 0) loop_.cancel(std::exchange(timer_, 0));
  client_.reset();
}

CheckpointSender::State CheckpointSender::state() const {
  State out = state_;
  out.told_lines = outbox_.told();
  return out;
}

void CheckpointSender::again(int64_t delay_us) {
  if (stopped_) return;
  timer_ = loop_.after(delay_us, [self = shared_from_this()] {
    self->timer_ = 0;
    self->look();
  });
}

// The file is read on the pool.
void CheckpointSender::look() {
  pool_.submit([self = shared_from_this()] {
    auto next = std::make_shared<Next>(self->outbox_.next());
    self->loop_.post([self, next] { self->take(std::move(*next)); });
  });
}

void CheckpointSender::take(Next next) {
  if (stopped_) return;
  if (!next.ok()) {
    obs::log(obs::Level::kError, "audit", "{}", next.error().text());
    return again(kRetryUsMax);
  }
  if (!*next) {
    state_.waiting_since_us = 0;
    return again(kAskUs);
  }
  const Batch& batch = **next;
  state_.waiting_since_us = batch.at_us;
  net::Request request = request_of(batch);
  client_->send(std::move(request),
                [self = shared_from_this(), batch = batch](Result<net::Response> answer) {
                  self->sent(batch, answer);
                });
}

void CheckpointSender::sent(const Batch& batch, const Result<net::Response>& answer) {
  if (stopped_) return;
  if (!taken(answer)) {
    ++state_.failures;
    const int64_t doublings = std::min<int64_t>(failed_in_a_row_++, 20);
    obs::log(obs::Level::kWarning, "audit", "the webhook has not taken checkpoint {}: {}",
             batch.first, why_not(answer));
    return again(std::min(kUsPerSecond << doublings, kRetryUsMax));
  }
  failed_in_a_row_ = 0;
  pool_.submit([self = shared_from_this(), batch] {
    const Status noted = self->outbox_.acknowledge(batch);
    if (!noted.ok()) obs::log(obs::Level::kError, "audit", "{}", noted.error().text());
    // What was appended meanwhile waits for its second: no request a line.
    self->loop_.post([self] { self->again(kAskUs); });
  });
}

net::Request CheckpointSender::request_of(const Batch& batch) const {
  const int64_t at_s = real_env().wall_us() / kUsPerSecond;
  net::Request request;
  request.method = "POST";
  request.url = webhook_.url;
  request.headers = {
      {"Content-Type", "text/plain; charset=utf-8"},
      {"X-Weft-Event", "audit.checkpoints"},
      {"X-Weft-Delivery", fmt::format("{}", batch.first)},
      {"X-Weft-Signature", callback_signature(webhook_.secret, at_s, batch.text)}};
  request.body = batch.text;
  request.total_timeout_ms = kTellTimeoutMs;
  request.response_bytes_max = size_t{64} << 10;
  request.redirects_max = 0;
  return request;
}

void CheckpointSender::finish() {
  stop();
  AsioLoop loop;
  net::Client client(loop.io_context(), webhook_.client);
  const std::function<void()> next = [&] {
    auto left = outbox_.next();
    if (!left.ok() || !*left) return loop.stop();
    net::Request request = request_of(**left);
    client.send(std::move(request), [&, batch = **left](const Result<net::Response>& answer) {
      if (!taken(answer) || !outbox_.acknowledge(batch).ok()) return loop.stop();
      next();
    });
  };
  loop.after(kFinishUs, [&] { loop.stop(); });
  loop.post(next);
  loop.run();
}

}  // namespace weft::worker
