// SPDX-License-Identifier: Apache-2.0
//
// Timers of a run: set by the planner's commands, armed on the loop at the end of the turn (most
// are void again by then), kept as rows so that a store says what a run waits for.
#include <algorithm>

#include "obs/log.h"
#include "worker/executor.h"

namespace weft::worker {

using workflow::TimerKind;

namespace {

// An attempt that fails in the turn that starts it sets its deadline and ends in one decision.
bool is_past(const ActiveRun& run, const workflow::Command& command) {
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
  if (is_past(run, command)) return;
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
    if (at->second.stored) run.turn().dropped_timers.push_back(at->first);
    at = run.timers.erase(at);
  }
}

void Executor::arm_timers(ActiveRun& run, Change& change) {
  for (const TimerKey& key : run.turn().dropped_timers) {
    if (run.timers.contains(key)) continue;  // set again: the row is overwritten
    change.timers.push_back({key.first, std::string(workflow::name(key.second)), 0});
  }
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

// A run that only waits, and for long, needs no memory: its row is claimed again when its time
// comes, or a message.
std::optional<int64_t> Executor::parkable(const ActiveRun& run) {
  if (options_.park_us == 0 || run.driving || !run.claimed) return {};
  if (terminal(run.state.status) || !run.running.empty() || !run.todo.empty()) return {};
  if (run.state.status == workflow::RunStatus::kQueued) return {};
  int64_t wake_us = INT64_MAX;
  for (const auto& [key, timer] : run.timers) wake_us = std::min(wake_us, timer.at_us);
  if (wake_us - options_.park_us < journal_.now_us()) return {};
  return wake_us;
}

void Executor::park(const std::string& id) {
  const ActiveRun* run = find(id);
  const auto wake_us = run != nullptr && !stopping_ ? parkable(*run) : std::nullopt;
  if (!wake_us) return;
  CHECK(run->open_turn == nullptr, "run {} is parked in the middle of a turn", id);
  CHECK(*wake_us > journal_.now_us(), "run {} is parked until a time that is gone", id);
  journal_.release(id, wake_us);
  forget(id);
}

// Whether nothing can bring the run on: no work, no timer, nobody outside that it waits for.
bool Executor::stuck(const ActiveRun& run) const {
  CHECK(!run.driving, "run {} is judged in its turn", run.id);
  CHECK(run.state.sequence > 0, "run {} was never accepted", run.id);
  if (terminal(run.state.status) || !run.todo.empty() || !run.running.empty()) return false;
  if (run.state.status == workflow::RunStatus::kQueued) return false;  // a child before its turn
  if (!run.timers.empty()) return false;
  const auto waits = [](const workflow::Execution& e) {
    return e.phase == workflow::Phase::kUnknown ||
           (e.phase == workflow::Phase::kSuspended &&
            (e.reason == workflow::WaitReason::kPerson ||
             e.reason == workflow::WaitReason::kSignal ||
             e.reason == workflow::WaitReason::kChildRun));
  };
  for (const workflow::StepState& step : run.state.steps) {
    if (waits(step.execution)) return false;
    for (const workflow::Execution& item : step.item_executions) {
      if (waits(item)) return false;
    }
  }
  return true;
}

// A run that is stuck would be by a mistake of ours. It must not hang in silence: it is given back,
// and whoever claims it folds its events anew.
void Executor::watch() {
  constexpr int64_t kWatchUs = 60'000'000;
  next_watch_us_ = journal_.now_us() + kWatchUs;
  std::vector<std::string> ids;
  for (const auto& [id, run] : runs_) {
    if (run->claimed && !run->driving && stuck(*run)) ids.push_back(id);
  }
  for (const std::string& id : ids) {
    obs::log(obs::Level::kError, "executor", "{}",
             make_error("E0617", fmt::format("run {} waits for nothing; it begins anew from its "
                                             "journal", id)).text());
    journal_.release(id);
    drop_run(id);
    if (observer_) observer_({.kind = Notice::Kind::kLost, .run = id});
  }
}

// What cannot be called back may have acted, or act yet: past its limit such an attempt is as
// unknown as one that a crash cut off. False: the attempt is harmless, gone, or may be repeated by
// its definition; then it has failed and the planner retries it.
bool Executor::end_at_limit(ActiveRun& run, const std::string& path) {
  CHECK(!run.driving && !path.empty(), "a limit of {} is reached in its turn", run.id);
  const auto at = run.running.find(path);
  if (at == run.running.end() || at->second.activity == nullptr) return false;
  const auto id = run.planner.find(path);
  const workflow::Execution* execution = id ? workflow::find_execution(run.state, *id) : nullptr;
  CHECK(execution != nullptr, "{} of run {}", path, run.id);
  const bool due = execution->attempt_deadline_us != 0 && execution->paused_us == 0 &&
                   execution->attempt_deadline_us <= journal_.now_us();
  const Running& running = at->second;
  if (!due || execution->attempt != running.attempt) return false;
  if (running.effect != EffectClass::kUnsafe && !running.noted) return false;
  const workflow::Step& step = run.planner.step(path, running.alternative);
  const bool repeats = step.on_unknown == workflow::OnUnknown::kRetry;
  if (repeats && !running.noted) return false;
  Activity::Stopped stopped = at->second.activity->stop_at_limit();
  if (!stopped.maybe_acted) return false;
  Running ended = std::move(at->second);
  run.running.erase(at);
  for (json::Value& note : stopped.notes) {
    apply(run, workflow::AttemptNoted{path, ended.attempt, std::move(note)});
  }
  Error error = make_error(
      "E0606", "the attempt was stopped at its time limit; nobody knows whether it acted",
      fmt::format("look whether it happened, then: weft runs resolve {} {} retry|fail|succeed",
                  run.id, path));
  // It goes on behind its notes, but not for ever.
  if (repeats && ended.attempt >= step.retry().attempts) {
    finish_attempt(run, std::move(ended), StepFailure{std::move(error), false});
  } else {
    finish_attempt(run, std::move(ended), StepUnknown{std::move(error)});
  }
  return true;
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
  if (at->second.stored) run->turn().dropped_timers.push_back(key);
  run->timers.erase(at);
  if (key.second == TimerKind::kAttemptDeadline && end_at_limit(*run, key.first)) {
    return drive(*run);
  }
  apply(*run, workflow::TimerFired{key.second, key.first});
  drive(*run);
}

}  // namespace weft::worker
