// SPDX-License-Identifier: Apache-2.0
//
// The one document that says how this server is: runs in numbers and over time, what is running,
// what waits for people, what the models do, how busy the processor is. It is whole each time, so
// that a page that comes back after a while needs nothing else to be right again.
//
//   GET /overview?window=SECONDS          once
//   the same, Accept: text/event-stream   again whenever it has changed, at most once a second
//
// However many watch, it is computed at most once a second for each window, and less often where
// that takes long. Without watchers nothing is computed. All on the loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "security/permission.h"
#include "server/context.h"
#include "worker/run_reader.h"
#include "worker/run_statistics.h"

namespace weft::server {

class Overview {
 public:
  using Then = std::function<void(Result<json::Object>)>;
  explicit Overview(ServerContext& context);
  // The document of runs of the caller's tenant that ended in the last `window_s` seconds, at most
  // a moment old.
  void ask(int64_t window_s, const security::Caller& caller, Then then);

 private:
  struct Stored {
    worker::RunStatistics statistics;
    std::vector<worker::RunSummary> newest;
  };
  struct Asked {
    security::Caller caller;
    Then then;
  };
  using Key = std::pair<std::string, int64_t>;  // tenant, window
  // What was read for one tenant and window.
  struct View {
    Stored stored;
    int64_t read_ns = 0;  // when; 0: never
    int64_t took_ns = 0;
    bool reading = false;
    std::vector<Asked> waiting;
  };
  void on_read(const Key& key, int64_t begun_ns, Result<Stored> stored);
  json::Object document(int64_t window_s, const Stored& stored, const security::Caller& caller);
  json::Object engine();
  void measure();

  ServerContext& context_;
  std::map<Key, View> views_;
  // The pace of this process, measured over a second or more.
  int64_t measured_ns_ = 0;
  int64_t busy_us_ = 0;        // of the processor, so far
  int64_t generated_ = 0;      // tokens, so far
  double cores_busy_ = 0;      // share of all usable cores, 0..1
  double tokens_per_s_ = 0;
};

void show_overview(ServerContext& context, const ExchangePtr& exchange);

}  // namespace weft::server
