// SPDX-License-Identifier: Apache-2.0
//
// Timers of a run: set by the planner's commands, armed at the end of the turn (most are void again
// by then), kept as rows so that a store says what a run waits for. All runs share one timer of the
// loop: ten thousand that are due at one instant fire in the order of their rows, a few hundred a
// turn, and no faster than the disk takes what comes of them.
#include <algorithm>
#include <utility>

#include "obs/log.h"
#include "worker/executor.h"

namespace weft::worker {

using workflow::TimerKind;

namespace {

// The loop has other work as well: so many runs are woken in one turn.
constexpr int kFiredMax = 128;
// Enough decided changes for the writer's next two groups; more would only fill memory.
constexpr uint64_t kUnwrittenMax = 2'048;

// An attempt that fails in the turn that starts it sets its deadline and ends in one decision.
bool is_past(const ActiveRun& run, const workflow::Command& command) {
  if (command.path.empty()) return terminal(run.state.status);
  const auto id = run.planner.find(command.path);
  CHECK(id.has_value(), "a timer of {}, which run {} has not", command.path, run.id);
  const workflow::Execution* execution = workflow::find_execution(run.state, *id);
  CHECK(execution != nullptr, "a timer of {}, which run {} has not", command.path, run.id);
  return execution->phase == workflow::Phase::kEnded;
}

// Somebody outside may bring the run on: people, a signal, its child.
bool asks(const ActiveRun& run) {
  const auto waits = [](const workflow::Execution& e) {
    return e.phase == workflow::Phase::kUnknown ||
           (e.phase == workflow::Phase::kSuspended &&
            (e.reason == workflow::WaitReason::kPerson ||
             e.reason == workflow::WaitReason::kSignal ||
             e.reason == workflow::WaitReason::kChildRun));
  };
  return std::ranges::any_of(run.state.steps, [&](const workflow::StepState& step) {
    return waits(step.execution) || std::ranges::any_of(step.item_executions, waits);
  });
}

}  // namespace

void Executor::set_timer(ActiveRun& run, const workflow::Command& command) {
  CHECK(command.at_us > 0, "a timer of {} at {}", command.path, command.at_us);
  if (is_past(run, command)) return;
  CHECK(command.path.empty() == (command.timer == TimerKind::kRunDeadline), "whose timer?");
  Timer& timer = run.timers[{command.path, command.timer}];
  timer.armed = false;
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
    if (at->second.stored) run.turn().dropped_timers.push_back(at->first);
    at = run.timers.erase(at);
  }
}

void Executor::arm_timers(ActiveRun& run, Change& change) {
  for (const TimerKey& key : run.turn().dropped_timers) {
    if (terminal(run.state.status)) break;   // all of its rows go
    if (run.timers.contains(key)) continue;  // set again: the row is overwritten
    change.timers.push_back({key.first, std::string(workflow::name(key.second)), 0});
  }
  for (auto& [key, timer] : run.timers) {
    CHECK(timer.at_us > 0, "a timer of {} at no time", key.first);
    if (timer.armed) continue;
    CHECK(!terminal(run.state.status), "run {} has ended and waits", run.id);
    TimerRow row{key.first, std::string(workflow::name(key.second)), timer.at_us};
    if (!found_stored(run, row)) change.timers.push_back(std::move(row));
    timer.stored = true;
    timer.armed = true;
  }
  if (run.own_rows != nullptr) std::exchange(run.rows().timers, {});
  queue_timers(run);
}

// Of a run that was taken over, and nothing has happened since: its rows say the same already.
bool Executor::found_stored(ActiveRun& run, const TimerRow& row) {
  CHECK(!run.driving && row.fire_at_us > 0, "a timer of {} at no time", run.id);
  if (run.own_rows == nullptr) return false;
  CHECK(run.claimed, "rows of {}, which is not ours", run.id);
  return std::ranges::any_of(run.rows().timers, [&](const TimerRow& found) {
    return found.path == row.path && found.kind == row.kind &&
           found.fire_at_us == row.fire_at_us;
  });
}

// The run stands in the queue under its earliest armed timer, or not at all.
void Executor::queue_timers(ActiveRun& run) {
  CHECK(run.age > 0 && run.age <= newest_, "run {} is {} in age", run.id, run.age);
  CHECK(due_.size() <= runs_.size(), "{} of {} runs wait for their time", due_.size(),
        runs_.size());
  int64_t due_us = 0;
  for (const auto& [key, timer] : run.timers) {
    if (timer.armed && (due_us == 0 || timer.at_us < due_us)) due_us = timer.at_us;
  }
  if (due_us == run.due_us) return;
  if (run.due_us != 0) {
    const size_t gone = due_.erase({run.due_us, run.age});
    CHECK(gone == 1, "run {} was not in the queue of timers", run.id);
  }
  run.due_us = due_us;
  if (due_.empty()) services_.loop.cancel(std::exchange(alarm_, 0));
  if (due_us == 0) return;
  const bool fresh = due_.emplace(std::pair(due_us, run.age), &run).second;
  CHECK(fresh, "two runs are as old as {}", run.id);
  set_alarm();
}

// An alarm that comes too early is set again; only a later one would do harm.
void Executor::set_alarm() {
  if (due_.empty() || stopping_) return;
  const int64_t due_us = due_.begin()->first.first;
  CHECK(due_us > 0, "a run is queued for no time");
  CHECK(due_.begin()->second->due_us == due_us, "a run is queued under another time than its own");
  if (alarm_ != 0 && alarm_us_ <= due_us) return;
  services_.loop.cancel(alarm_);
  alarm_us_ = due_us;
  const int64_t delay_us = std::max<int64_t>(0, due_us - journal_.now_us());
  alarm_ = services_.loop.after(delay_us, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    self->alarm_ = 0;
    self->on_alarm();
  });
}

// Whoever is due but not woken yet has its turn after what else the loop has to do, or, if the
// writer is behind, when it has caught up (handle() comes back here).
void Executor::on_alarm() {
  if (stopping_) return;
  CHECK(alarm_ == 0, "an alarm that has gone off is set");
  CHECK(journal_.durable().until() <= journal_.decided(), "durable before it is decided");
  const auto behind = [&] { return journal_.decided().n - journal_.durable().until().n; };
  const int64_t now_us = journal_.now_us();
  for (int i = 0; i < kFiredMax && behind() < kUnwrittenMax; ++i) {
    if (due_.empty() || due_.begin()->first.first > now_us) break;
    fire(*due_.begin()->second);
  }
  if (due_.empty() || due_.begin()->first.first > now_us) return set_alarm();
  if (behind() < kUnwrittenMax) set_alarm();
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
  const bool crowded = std::ssize(runs_) > kIdleMax / 2;
  if (!options_.park_asking && !crowded && asks(run)) return {};
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
  return run.timers.empty() && !asks(run);
}

// A run that is stuck would be by a mistake of ours. It must not hang in silence: it is given back,
// and whoever claims it folds its events anew.
void Executor::watch() {
  constexpr int64_t kWatchUs = 60'000'000;
  next_watch_us_ = journal_.now_us() + kWatchUs;
  std::vector<std::string> ids;
  for (const auto& [id, run] : runs_) {
    if (run->claimed && !run->driving && stuck(*run)) ids.emplace_back(id);
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

// The earliest timer of the run, which has come.
void Executor::fire(ActiveRun& run) {
  CHECK(!run.driving, "a timer of {} fires in its turn", run.id);
  const auto at = std::ranges::find_if(run.timers, [&](const auto& entry) {
    return entry.second.armed && entry.second.at_us == run.due_us;
  });
  CHECK(at != run.timers.end(), "run {} is queued for a timer that it has not", run.id);
  CHECK(at->second.at_us <= journal_.now_us(), "a timer of {} fires early", run.id);
  const TimerKey key = at->first;
  if (at->second.stored) run.turn().dropped_timers.push_back(key);
  run.timers.erase(at);
  queue_timers(run);
  if (key.second == TimerKind::kAttemptDeadline && end_at_limit(run, key.first)) {
    return drive(run);
  }
  apply(run, workflow::TimerFired{key.second, key.first});
  drive(run);
}

}  // namespace weft::worker
