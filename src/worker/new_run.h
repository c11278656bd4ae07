// SPDX-License-Identifier: Apache-2.0
//
// What it takes to accept a run: the command line, the API, a sub-workflow step, a retry or a fork
// fill this in, and Executor::submit makes it durable. Plain data; everything in it is checked.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "worker/records.h"
#include "workflow/definition.h"
#include "workflow/events.h"

namespace weft::worker {

// Sub-workflows by the name that `workflow` steps give, pinned when the run is accepted.
using Definitions = std::map<std::string, std::shared_ptr<const workflow::Workflow>>;

struct NewRun {
  std::shared_ptr<const workflow::Workflow> workflow = {};
  json::Value input = {};       // checked and completed already
  json::Value env = {};         // object: the allow-listed environment
  json::Object context = {};    // see run_context.h
  Definitions definitions = {};
  std::optional<int32_t> priority = {};
  uint64_t seed = 0;
  std::string idem_key = {};    // of whoever asks; at most one run of the store has it
  std::string callback_url = {};  // told of its end; empty: nobody is
  bool detached = false;        // only stored; whoever claims it runs it
  // Of a run made from another one (workflow/restart.h); else empty.
  std::string origin = {};
  std::string effects_of = {};
  std::vector<workflow::ResultKept> kept = {};
  // Of a sub-workflow; else empty. Its time ends with that of the step it runs for.
  std::string parent = {};
  std::string parent_path = {};
  int64_t timeout_us_max = 0;   // 0: only what the workflow says
};

// The context with the sub-workflows that it is pinned to.
json::Object full_context(const NewRun& request);
// The run's row, and its first event, which takes what it can out of the request.
RunRow run_row(const NewRun& request, const std::string& id, int64_t now_us);
workflow::RunAccepted run_accepted(NewRun& request, const std::string& id);

}  // namespace weft::worker
