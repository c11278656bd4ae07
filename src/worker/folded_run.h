// SPDX-License-Identifier: Apache-2.0
//
// A stored run folded back to its state: parse the pinned definition, apply every event in order.
// The same fold serves recovery, `weft runs show` and `weft explain`, so that all see one truth.
// E0604: the definition or an event cannot be read, or an event does not fit.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "worker/new_run.h"
#include "worker/run_reader.h"
#include "workflow/definition.h"
#include "workflow/planner.h"

namespace weft::worker {

// A change of state with its instant and reason, for people.
struct Happening {
  int64_t at_us = 0;
  workflow::Change change;
};

struct FoldedRun {
  std::shared_ptr<const workflow::Workflow> workflow;
  workflow::State state;
  json::Object context;
  std::unordered_map<std::string, int64_t> output_seq;  // path -> event with its output
  std::vector<Happening> happenings;                    // only if asked for
};

struct FoldOptions {
  bool happenings = false;
  std::shared_ptr<const workflow::Planner> planner = {};  // of its definition, if it is known
};
Result<FoldedRun> fold_run(const StoredRun& stored, const FoldOptions& options = {});

// The definition that the run is pinned to.
Result<std::shared_ptr<const workflow::Workflow>> stored_definition(const StoredRun& stored);
// The sub-workflows that the run is pinned to.
Result<Definitions> pinned_definitions(const StoredRun& stored);

}  // namespace weft::worker
