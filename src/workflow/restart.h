// SPDX-License-Identifier: Apache-2.0
//
// What a run made from another one keeps of it. A retry does again what failed and everything
// behind it; a fork does one step again and everything behind it. All other results are kept as
// they are: nothing that was paid for is paid for twice, nothing that acted acts twice.
//
// The old run stays as it is: terminal states never change.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "workflow/events.h"
#include "workflow/planner.h"
#include "workflow/state.h"

namespace weft::workflow {

// Whether the failure of a step left its run's outcome alone: tolerated (on_error: continue), or a
// successor with join any_ok ran in spite of it. The step must have failed.
bool forgiven(const Planner& planner, const State& state, uint32_t step);

// The results to keep, in document order, when `from` (a step) and all behind it is done again.
// Steps that have not ended, or were cancelled, are done again as well.
std::vector<ResultKept> kept_for_fork(const Planner& planner, const State& state, uint32_t from);

// The same for everything that failed and was not forgiven. Nothing if nothing failed.
std::optional<std::vector<ResultKept>> kept_for_retry(const Planner& planner, const State& state);

}  // namespace weft::workflow
