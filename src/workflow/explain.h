// SPDX-License-Identifier: Apache-2.0
//
// Says in words why a step ran, waits, was skipped or failed: what its join needed, what its
// predecessors brought, which condition, retry, fallback or clock decided. From the state alone;
// the same sentences for the command line, the API and the dashboard.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "workflow/planner.h"
#include "workflow/state.h"

namespace weft::workflow {

// Sentences, the verdict first. `path` must name an execution of the state.
std::vector<std::string> explain(const Planner& planner, const State& state,
                                 std::string_view path);

// The run as a whole: its status, what it still waits for, why it failed.
std::vector<std::string> explain_run(const Planner& planner, const State& state);

}  // namespace weft::workflow
