// SPDX-License-Identifier: Apache-2.0
//
// Tells a webhook of the audit's checkpoints as they are written: the lines of the file, which hold
// the signed heads and lengths of every chain, whatever process wrote them. What the receiver keeps
// is a file of checkpoints that nobody on this machine can cut.
//
//   POST, text/plain: lines as they are in the file
//   X-Weft-Event: audit.checkpoints   X-Weft-Delivery: NUMBER OF ITS FIRST LINE
//   X-Weft-Signature: as callbacks have it
//
// One request at a time, in order. One that fails is sent again after 1 s, 2 s, 4 s … 5 minutes,
// for ever: nothing is lost, since the file is the outbox (security/checkpoint_outbox.h), and
// nobody waits for it. A process that ends tries for 3 s more to tell its last line.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "net/client.h"
#include "security/checkpoint_outbox.h"
#include "worker/asio_loop.h"

namespace weft::worker {

struct CheckpointWebhook {
  std::string file;    // of the checkpoints
  std::string url;
  std::string secret;
  net::ClientOptions client = {};
};

class CheckpointSender : public std::enable_shared_from_this<CheckpointSender> {
 public:
  CheckpointSender(AsioLoop& loop, Pool& pool, CheckpointWebhook webhook);
  void start();
  void stop();  // nothing is sent any more; on the loop's thread, before the loop goes
  // Sends what is left, on a loop of its own: when the process's has ended and its last links are
  // signed. Instead of stop().
  void finish();

  struct State {
    int64_t told_lines = 0;
    int64_t failures = 0;          // of requests, since the start
    int64_t waiting_since_us = 0;  // of the oldest line that is not told; 0: there is none
  };
  State state() const;  // on the loop

 private:
  using Batch = security::CheckpointOutbox::Batch;
  using Next = Result<std::optional<Batch>>;
  void look();
  void take(Next next);
  void sent(const Batch& batch, const Result<net::Response>& answer);
  void again(int64_t delay_us);
  net::Request request_of(const Batch& batch) const;

  AsioLoop& loop_;
  Pool& pool_;
  const CheckpointWebhook webhook_;
  security::CheckpointOutbox outbox_;
  std::optional<net::Client> client_;
  State state_;
  Loop::TimerId timer_ = 0;
  int64_t failed_in_a_row_ = 0;
  bool stopped_ = false;
};

}  // namespace weft::worker
