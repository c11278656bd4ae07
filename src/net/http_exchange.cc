// SPDX-License-Identifier: Apache-2.0
#include "net/http_exchange.h"

#include <fmt/format.h>

#include <utility>

namespace weft::net {

void LiveExchange::respond(HttpResponse response) {
  CHECK(!begun_, "an answer is given once");
  begun_ = done_ = true;
  outcome_->status = response.status;
  if (response.status != 204 && response.status != 304) {
    response.headers.push_back({"Content-Length", std::to_string(response.body.size())});
  }
  add_own_headers(response.headers);
  outbox_ = response_head(response.status, response.headers);
  if (!head_only_) outbox_ += response.body;
  signal();
}

void LiveExchange::begin(StreamHead head) {
  CHECK(!begun_, "an answer is given once");
  begun_ = true;
  outcome_->status = head.status;
  events_ = head.events;
  if (events_) {
    head.headers.push_back({"Content-Type", "text/event-stream; charset=utf-8"});
    head.headers.push_back({"Cache-Control", "no-cache"});
    head.headers.push_back({"X-Accel-Buffering", "no"});
  }
  if (chunked_) {
    head.headers.push_back({"Transfer-Encoding", "chunked"});
  } else {
    outcome_->keep_alive = false;  // the end of the connection is the end of the answer
  }
  add_own_headers(head.headers);
  outbox_ = response_head(head.status, head.headers);
  signal();
}

void LiveExchange::write(std::string_view piece) {
  CHECK(begun_ && !done_, "pieces come between begin and end");
  if (piece.empty() || head_only_ || gone_) return;
  if (chunked_) outbox_ += fmt::format("{:x}\r\n", piece.size());
  outbox_ += piece;
  if (chunked_) outbox_ += "\r\n";
  const auto owner = owner_.lock();
  if (owner && unsent_bytes() > owner->unsent_bytes_max()) {
    return owner->abort_exchange();
  }
  signal();
}

void LiveExchange::end() {
  CHECK(begun_ && !done_, "an answer ends once");
  done_ = true;
  if (chunked_ && !head_only_) outbox_ += "0\r\n\r\n";
  signal();
}

void LiveExchange::on_closed(std::function<void()> task) {
  closed_ = std::move(task);
  if (gone_) client_gone();
}

void LiveExchange::written() {
  writing_ = 0;
  if (!outbox_.empty() || !drained_) return;
  const auto task = drained_;  // it may write
  task();
}

void LiveExchange::client_gone() {
  gone_ = true;
  outbox_.clear();
  if (const auto task = std::exchange(closed_, nullptr)) task();
}

LiveExchange::~LiveExchange() {
  if (!done_) {
    if (const auto owner = owner_.lock()) owner->exchange_dropped(begun_);
  }
}

void LiveExchange::add_own_headers(std::vector<Header>& headers) {
  const auto owner = owner_.lock();
  if (owner && owner->draining()) outcome_->keep_alive = false;
  if (owner) {
    for (const Header& header : owner->standing_headers()) headers.push_back(header);
  }
  headers.push_back({"Connection", outcome_->keep_alive ? "keep-alive" : "close"});
}

void LiveExchange::signal() {
  if (const auto owner = owner_.lock()) owner->wake(shared_from_this());
}

}  // namespace weft::net
