// SPDX-License-Identifier: Apache-2.0
//
// Timers of a run: set by the planner's commands, armed on the loop at the end of the turn (most
// are void again by then), kept as rows so that a store says what a run waits for.
#include <algorithm>

#include "worker/executor.h"

namespace weft::worker {

using workflow::TimerKind;

namespace {

// An attempt that fails in the turn that starts it sets its deadline and ends in one decision.
bool is_void(const ActiveRun& run, const workflow::Command& command) {
  if (command.path.empty()) return terminal(run.state.status);
  const auto id = run.planner.find(command.path);
  CHECK(id.has_value(), "a timer of {}, which run {} has not", command.path, run.id);
  const workflow::Execution* execution = workflow::find_execution(run.state, *id);
  CHECK(execution != nullptr, "a timer of {}, which run {} has not", command.path, run.id);
  return execution->phase == workflow::Phase::kEnded;
}

}  // namespace

void Executor::set_timer(ActiveRun& run, const workflow::Command& command) {
  CHECK(command.at_us > 0, "a timer of {} at {}", command.path, command.at_us);
  if (is_void(run, command)) return;
  CHECK(command.path.empty() == (command.timer == TimerKind::kRunDeadline), "whose timer?");
  Timer& timer = run.timers[{command.path, command.timer}];
  services_.loop.cancel(timer.id);
  timer.id = 0;
  timer.at_us = command.at_us;
}

// A path that moved on has no use for the timers of its last phase; an ended one for none.
void Executor::drop_timers(ActiveRun& run, const workflow::Change& change) {
  const bool ended = change.path.empty() ? terminal(change.run) : terminal(change.step);
  auto at = run.timers.lower_bound({change.path, TimerKind::kRunDeadline});
  while (at != run.timers.end() && at->first.first == change.path) {
    const TimerKind kind = at->first.second;
    const bool of_phase = kind == TimerKind::kRetry || kind == TimerKind::kWake;
    if (!ended && !of_phase) {
      ++at;
      continue;
    }
    services_.loop.cancel(at->second.id);
    if (at->second.stored) run.dropped_timers.push_back(at->first);
    at = run.timers.erase(at);
  }
}

void Executor::arm_timers(ActiveRun& run, Change& change) {
  for (const TimerKey& key : run.dropped_timers) {
    if (run.timers.contains(key)) continue;  // set again: the row is overwritten
    change.timers.push_back({key.first, std::string(workflow::name(key.second)), 0});
  }
  run.dropped_timers.clear();
  for (auto& [key, timer] : run.timers) {
    CHECK(timer.at_us > 0, "a timer of {} at no time", key.first);
    if (timer.id != 0) continue;
    change.timers.push_back({key.first, std::string(workflow::name(key.second)), timer.at_us});
    timer.stored = true;
    const int64_t delay_us = std::max<int64_t>(0, timer.at_us - journal_.now_us());
    CHECK(!terminal(run.state.status), "run {} has ended and waits", run.id);
    timer.id = services_.loop.after(delay_us, [weak = weak_from_this(), run = run.id, key = key] {
      if (const auto self = weak.lock()) self->on_timer(run, key);
    });
  }
}

void Executor::on_timer(const std::string& id, const TimerKey& key) {
  ActiveRun* run = find(id);
  if (run == nullptr || stopping_) return;
  const auto at = run->timers.find(key);
  CHECK(at != run->timers.end(), "a dropped timer of {} fired", id);
  CHECK(at->second.id != 0 && !run->driving, "a timer of {} fired that was not armed", id);
  const int64_t early_us = at->second.at_us - journal_.now_us();
  if (early_us > 0) {  // the loop's clock runs a little ahead of the store's
    at->second.id = services_.loop.after(early_us, [weak = weak_from_this(), id, key] {
      if (const auto self = weak.lock()) self->on_timer(id, key);
    });
    return;
  }
  if (at->second.stored) run->dropped_timers.push_back(key);
  run->timers.erase(at);
  apply(*run, workflow::TimerFired{key.second, key.first});
  drive(*run);
}

}  // namespace weft::worker
