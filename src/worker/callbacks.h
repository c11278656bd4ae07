// SPDX-License-Identifier: Apache-2.0
//
// Callbacks: whoever starts a run with a `callback_url` is told of its end. The row that says so is
// written by the transaction that ends the run (an outbox), so neither a crash nor a receiver that
// is down loses it:
//
//   waiting -> (2xx) delivered | (24 h, or 410) dead -> (redrive) waiting
//
// A delivery is claimed for a minute before it is sent; who dies meanwhile leaves it to the next.
// So a receiver may hear of one run twice, never not at all; X-Weft-Delivery is the same then.
//
// The body is the run as GET /workflows/{task_id} shows it, signed with HMAC-SHA-256 over
// "TIMESTAMP.BODY" in X-Weft-Signature: t=TIMESTAMP,v1=HEX. Servers and workers deliver; the
// address guard of net/client holds here too.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "net/client.h"
#include "store/db.h"
#include "worker/loop.h"

namespace weft::worker {

struct Callback {
  std::string run;
  std::string tenant;
  std::string url;
  std::string state;        // "waiting", "delivered", "dead"
  int64_t attempts = 0;
  int64_t next_us = 0;      // of a waiting one
  int64_t created_us = 0;
  int64_t last_status = 0;  // 0: no answer
  std::string last_error;
};

// Newest first; `state` empty: any.
Result<std::vector<Callback>> list_callbacks(store::Db& db, std::string_view tenant,
                                             std::string_view state, int64_t limit);
// A dead or delivered one is sent again, with a day before it. E0601: the run has no callback.
Status redrive_callback(store::Db& db, std::string_view tenant, std::string_view run);

// Takes what is due, for a minute. In a transaction of its own.
Result<std::vector<Callback>> claim_callbacks(store::Db& db, int64_t limit);
// What became of an attempt: `status` 0 and why, or the answer's.
Status settle_callback(store::Db& db, const Callback& callback, int64_t status,
                       std::string_view error);

std::string callback_signature(std::string_view secret, int64_t at_s, std::string_view body);

// Delivers what is due, while it lives. On the loop; the store is read on the pool.
class CallbackSender : public std::enable_shared_from_this<CallbackSender> {
 public:
  using OpenStore = std::function<Result<std::unique_ptr<store::Db>>()>;
  CallbackSender(Loop& loop, Pool& pool, net::Client& client, std::string secret, OpenStore open);
  // What is sent goes through this first; before start().
  using Filter = std::function<std::string(std::string_view)>;
  void filter(Filter filter) { filter_ = std::move(filter); }
  void start();
  void stop();  // nothing is sent any more; what is under way ends unheard
  // Looks now: a run has ended.
  void poke();

 private:
  struct Due {
    Callback callback;
    std::string body;
  };
  void look();
  void take(Result<std::vector<Due>> due);
  void send(Due due);
  void settled(const Callback& callback, Result<net::Response> response);

  Loop& loop_;
  Pool& pool_;
  net::Client& client_;
  const std::string secret_;
  const OpenStore open_;
  Filter filter_;
  std::shared_ptr<store::Db> db_;  // used by one task of the pool at a time
  Loop::TimerId timer_ = 0;
  int64_t sending_ = 0;
  bool looking_ = false;
  bool again_ = false;
  bool stopped_ = false;
};

}  // namespace weft::worker
