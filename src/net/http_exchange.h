// SPDX-License-Identifier: Apache-2.0
//
// Inside of http_server: the exchange that a handler holds, and what it asks of its connection. It
// spells the answer (head, chunks, comments) into bytes and keeps them until the connection has
// sent them; sockets are the connection's.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "net/http_server.h"

namespace weft::net {

class LiveExchange;

class ExchangeOwner {
 public:
  virtual ~ExchangeOwner() = default;
  // The exchange has something to send, and is kept until it is sent.
  virtual void wake(std::shared_ptr<LiveExchange> exchange) = 0;
  // The rest of the answer is given up.
  virtual void abort_exchange() = 0;
  // Its handler let go of it before the answer was complete; `begun`: or even begun.
  virtual void exchange_dropped(bool begun) = 0;
  virtual bool draining() const = 0;
  virtual size_t unsent_bytes_max() const = 0;
  virtual const std::vector<Header>& standing_headers() const = 0;  // of every answer
};

// How an answer went; outlives the exchange.
struct AnswerState {
  int status = 500;
  bool keep_alive = false;
};

// What a handler holds. Bytes go from here to the connection's coroutine.
class LiveExchange final : public Exchange,
                           public std::enable_shared_from_this<LiveExchange> {
 public:
  LiveExchange(std::weak_ptr<ExchangeOwner> owner, HttpRequest request, bool keep_alive,
               bool chunked)
      : owner_(std::move(owner)), request_(std::move(request)),
        chunked_(chunked), head_only_(request_.method == "HEAD") {
    outcome_->keep_alive = keep_alive;
  }

  HttpRequest& request() override { return request_; }

  void respond(HttpResponse response) override;

  void begin(StreamHead head) override;

  void write(std::string_view piece) override;

  void end() override;

  size_t unsent_bytes() const override { return gone_ ? 0 : outbox_.size() + writing_; }
  void on_drained(std::function<void()> task) override { drained_ = std::move(task); }
  void on_closed(std::function<void()> task) override;

  // --- for the connection ---
  bool begun() const { return begun_; }
  bool done() const { return done_; }
  bool gone() const { return gone_; }
  bool events() const { return events_ && begun_; }
  bool has_output() const { return !outbox_.empty(); }
  std::shared_ptr<AnswerState> outcome() const { return outcome_; }
  std::string take_output() {
    writing_ = outbox_.size();
    return std::exchange(outbox_, {});
  }
  void written();
  void client_gone();

  ~LiveExchange() override;

 private:
  void add_own_headers(std::vector<Header>& headers);
  void signal();

  const std::weak_ptr<ExchangeOwner> owner_;
  HttpRequest request_;
  const std::shared_ptr<AnswerState> outcome_ = std::make_shared<AnswerState>();
  const bool chunked_;
  const bool head_only_;
  bool begun_ = false;
  bool done_ = false;
  bool gone_ = false;
  bool events_ = false;
  size_t writing_ = 0;
  std::string outbox_;
  std::function<void()> drained_;
  std::function<void()> closed_;
};

}  // namespace weft::net
