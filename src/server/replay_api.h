// SPDX-License-Identifier: Apache-2.0
//
// POST /workflows/{task_id}/replay: every decision of a run's models made again, and whether the
// tokens are the same. It reads only; it computes as much as the run's models did, so one replay
// runs at a time, and it ends when its server does.
#pragma once

#include <atomic>
#include <string>

#include "server/context.h"
#include "worker/schema.h"

namespace weft::server {

// One at a time; `stop` ends it soon. On the loop, but for the flags.
struct ReplayState {
  worker::StorePlace store;
  bool busy = false;
  std::atomic<bool> stop = false;
};

void replay_run(ServerContext& context, const ExchangePtr& exchange);

}  // namespace weft::server
