// SPDX-License-Identifier: Apache-2.0
#include "workflow/restart.h"

#include <string>
#include <utility>

#include "base/error.h"

namespace weft::workflow {
namespace {

bool failed(const Execution& e) {
  return e.end == StepStatus::kFailed || e.end == StepStatus::kTimedOut;
}

// A result that can stand as it is.
bool usable(const Planner& planner, const State& state, uint32_t step) {
  const Execution& e = state.steps[step].execution;
  if (e.end == StepStatus::kSucceeded || e.end == StepStatus::kSkipped) return true;
  return failed(e) && forgiven(planner, state, step);
}

ResultKept kept(const Planner& planner, const State& state, uint32_t step) {
  const Execution& e = state.steps[step].execution;
  CHECK(terminal(e.end), "step {} has not ended", step);
  ResultKept result;
  result.path = planner.path({step});
  result.end = static_cast<StepEnd>(static_cast<int>(e.end) -
                                    static_cast<int>(StepStatus::kSucceeded));
  result.output = e.output;
  if (failed(e)) result.failure = *e.failure;
  return result;
}

// All that is not in `again` nor behind it.
std::vector<ResultKept> kept_without(const Planner& planner, const State& state,
                                     std::vector<uint32_t> again) {
  std::vector<bool> redo(state.steps.size(), false);
  for (const uint32_t step : again) redo[step] = true;
  while (!again.empty()) {
    const uint32_t step = again.back();
    again.pop_back();
    for (const uint32_t next : planner.graph().successors(step)) {
      if (redo[next]) continue;
      redo[next] = true;
      again.push_back(next);
    }
  }
  std::vector<ResultKept> results;
  for (uint32_t i = 0; i < state.steps.size(); ++i) {
    if (!redo[i]) results.push_back(kept(planner, state, i));
  }
  CHECK(results.size() < state.steps.size(), "nothing would be done again");
  return results;
}

std::vector<uint32_t> unusable(const Planner& planner, const State& state) {
  std::vector<uint32_t> steps;
  for (uint32_t i = 0; i < state.steps.size(); ++i) {
    if (!usable(planner, state, i)) steps.push_back(i);
  }
  return steps;
}

}  // namespace

bool forgiven(const Planner& planner, const State& state, uint32_t step) {
  CHECK(state.steps[step].execution.phase == Phase::kEnded);
  CHECK(state.steps[step].execution.failure != nullptr, "only failures are forgiven");
  if (state.steps[step].execution.tolerated) return true;
  for (const uint32_t s : planner.graph().successors(step)) {
    if (planner.workflow().steps[s].join != Join::kAnyOk) continue;
    const StepState& successor = state.steps[s];
    const bool passed = successor.ok > 0 || successor.skipped > 0;  // the join said run
    const bool ran = successor.execution.end != StepStatus::kSkipped || state.rules < 1;
    if (passed && ran) return true;
  }
  return false;
}

std::vector<ResultKept> kept_for_fork(const Planner& planner, const State& state, uint32_t from) {
  CHECK(from < state.steps.size(), "step {}", from);
  std::vector<uint32_t> again = unusable(planner, state);
  again.push_back(from);
  return kept_without(planner, state, std::move(again));
}

std::optional<std::vector<ResultKept>> kept_for_retry(const Planner& planner,
                                                      const State& state) {
  std::vector<uint32_t> again = unusable(planner, state);
  if (again.empty()) return std::nullopt;
  return kept_without(planner, state, std::move(again));
}

}  // namespace weft::workflow
