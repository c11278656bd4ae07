// SPDX-License-Identifier: Apache-2.0
//
// Executions: attempts, retries, fallbacks, loops, clocks. The events of a run are in
// machine_events.cc.
#include "workflow/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "workflow/join.h"
#include "workflow/schedule.h"

namespace weft::workflow {
namespace {

enum class Use : uint8_t { kNothing, kBusy, kSuspended };

// What an execution means for the clock of its run.
Use use(const Execution& e) {
  switch (e.phase) {
    case Phase::kDeciding:
    case Phase::kStarting:
    case Phase::kRunning:
    case Phase::kRetrying:
      return Use::kBusy;
    case Phase::kSuspended:
      return e.reason == WaitReason::kChildRun || e.reason == WaitReason::kResource
                 ? Use::kBusy
                 : Use::kSuspended;
    case Phase::kUnknown:
      return Use::kSuspended;
    case Phase::kIdle:
    case Phase::kLooping:
    case Phase::kEnded:
      return Use::kNothing;
  }
  CHECK(false);
}

// What holds of an execution whenever its phase has changed. Both sides of each rule: what a phase
// needs, and what the others must not have.
void check_phase(const Execution& e) {
  const bool failed = e.end == StepStatus::kFailed || e.end == StepStatus::kTimedOut;
  CHECK((e.phase == Phase::kEnded) == terminal(e.end), "an end without its phase, or the reverse");
  CHECK(e.ended_us == 0 || e.phase == Phase::kEnded, "ended at {}, but goes on", e.ended_us);
  CHECK((e.phase == Phase::kSuspended) == (e.reason != WaitReason::kNone), "waits for what?");
  CHECK(e.woken == Wake::kNo || e.phase == Phase::kSuspended, "woken, but not asleep");
  CHECK(e.waiting == nullptr || e.phase == Phase::kSuspended, "asks, but does not wait");
  CHECK(e.wake_us == 0 || e.phase == Phase::kSuspended || e.phase == Phase::kRetrying,
        "wakes at {} from nothing", e.wake_us);
  CHECK(e.phase != Phase::kRetrying || e.wake_us > 0, "a retry without its time");
  CHECK(!in_attempt(e) || e.attempt > 0, "an attempt without a number");
  CHECK(e.failures <= e.attempt, "{} of {} attempts failed", e.failures, e.attempt);
  CHECK(e.output.is_null() || e.end == StepStatus::kSucceeded, "only a success has an output");
  CHECK(!e.tolerated || failed, "a tolerated failure without a failure");
  CHECK(!failed || e.failure != nullptr, "a failure that says nothing");
  CHECK(e.phase != Phase::kEnded || (e.deadline_us == 0 && e.attempt_deadline_us == 0),
        "what has ended has no deadline");
}

}  // namespace

Machine::Target Machine::target(ExecutionId id) {
  CHECK(id.step < state_.steps.size());
  StepState& step = state_.steps[id.step];
  CHECK(id.item < static_cast<int64_t>(step.item_executions.size()));
  Target t{id, id.item < 0 ? &step.execution : &step.item_executions[id.item], nullptr, false};
  const Step& definition = workflow_.steps[id.step];
  CHECK(t.execution->alternative <= definition.fallback().size());
  t.step = t.execution->alternative == 0 ? &definition
                                         : &definition.fallback()[t.execution->alternative - 1];
  CHECK(id.item < 0 || !definition.for_each().is_null(), "'{}' has no items", definition.id);
  return t;
}

void Machine::count(const Target& t, int by) {
  CHECK(by == 1 || by == -1);
  const Use used = use(*t.execution);
  if (used == Use::kNothing) return;
  const auto delta = static_cast<uint32_t>(by);  // wraps around for -1, as wanted
  (used == Use::kBusy ? state_.busy : state_.suspended) += delta;
  if (t.id.item < 0) return;
  StepState& step = state_.steps[t.id.step];
  (used == Use::kBusy ? step.items_busy : step.items_suspended) += delta;
  CHECK(step.items_busy <= step.item_executions.size(), "{} items busy", step.items_busy);
  CHECK(step.items_suspended <= step.item_executions.size(), "{} wait", step.items_suspended);
}

// The caller has set the fields that belong to the new phase, except `reason` of kSuspended,
// which must not change before the old phase is uncounted.
void Machine::set_phase(const Target& t, Phase phase, std::string why) {
  Execution& e = *t.execution;
  CHECK(e.phase != Phase::kEnded, "terminal states never change");
  count(t, -1);
  if (e.phase == Phase::kSuspended && e.reason == WaitReason::kSignal) {
    std::erase(state_.listeners, t.id);
  }
  e.phase = phase;
  if (phase != Phase::kSuspended) {
    e.reason = WaitReason::kNone;
    e.woken = Wake::kNo;
    e.waiting = nullptr;
  }
  if (phase != Phase::kSuspended && phase != Phase::kRetrying) e.wake_us = 0;
  count(t, +1);
  check_phase(e);
  if (t.id.item >= 0) set_loop_clock(t.id.step);
  Change change;
  change.path = planner_.path(t.id);
  change.step = status(e);
  change.attempt = e.attempt;
  change.why = std::move(why);
  decision_.changes.push_back(std::move(change));
}

void Machine::set_timer(TimerKind kind, std::string path, int64_t at_us) {
  CHECK(at_us > 0);
  Command c;
  c.kind = Command::Kind::kTimer;
  c.timer = kind;
  c.at_us = at_us;
  c.path = std::move(path);
  decision_.commands.push_back(std::move(c));
}

void Machine::command(Command::Kind kind, const Target& t) {
  CHECK(kind != Command::Kind::kTimer && kind != Command::Kind::kFinish);
  CHECK(t.execution->phase != Phase::kEnded || kind == Command::Kind::kStop, "it has ended");
  Command c;
  c.kind = kind;
  c.alternative = t.execution->alternative;
  c.attempt = t.execution->attempt;
  c.height = planner_.graph().height(t.id.step);
  c.path = planner_.path(t.id);
  const bool child = t.execution->reason == WaitReason::kChildRun && t.execution->waiting;
  if (kind == Command::Kind::kStop && child) c.child = t.execution->waiting->name;
  decision_.commands.push_back(std::move(c));
}

// ---- joins -----------------------------------------------------------------------------------

void Machine::arrive(uint32_t step, uint32_t from) {
  StepState& s = state_.steps[step];
  const Execution& e = state_.steps[from].execution;
  CHECK(step != from, "step {} waits for itself", step);
  CHECK(e.phase == Phase::kEnded);
  if (e.end == StepStatus::kSucceeded) {
    ++s.ok;
  } else if (e.end == StepStatus::kSkipped || e.tolerated) {
    ++s.skipped;
  } else if (e.end == StepStatus::kCancelled) {
    ++s.cancelled;
  } else {
    ++s.failed;
    if (s.first_failed == UINT32_MAX) s.first_failed = from;
  }
  const auto predecessors = static_cast<uint32_t>(workflow_.steps[step].dependencies.size());
  CHECK(s.ok + s.skipped + s.failed + s.cancelled <= predecessors, "a predecessor ended twice");
  CHECK((s.failed > 0) == (s.first_failed != UINT32_MAX));
  if (s.execution.phase != Phase::kIdle) return;  // decided before: any_ok, or the run was ended
  const Arrivals arrivals{s.ok, s.skipped, s.failed, s.cancelled};
  switch (judge(workflow_.steps[step].join, arrivals, predecessors)) {
    case Verdict::kWait:
      return;
    case Verdict::kRun:
      return begin(step);
    case Verdict::kFail: {
      CHECK(s.first_failed != UINT32_MAX);
      s.execution.failure = state_.steps[s.first_failed].execution.failure;
      return end(target({step}), StepStatus::kFailed,
                 fmt::format("'{}' failed", workflow_.steps[s.first_failed].id));
    }
    case Verdict::kCancel:
      return end(target({step}), StepStatus::kCancelled, "what it depends on was cancelled");
  }
}

void Machine::begin(uint32_t step) {
  const Target t = target({step});
  CHECK(t.execution->phase == Phase::kIdle);
  CHECK(t.execution->attempt == 0, "'{}' ran before it could", t.step->id);
  CHECK(t.execution->alternative == 0, "a fallback before its step");
  state_.steps[step].begun_sequence = state_.sequence + 1;
  if (t.step->when().empty() && t.step->for_each().is_null()) return start_attempt(t);
  set_phase(t, Phase::kDeciding);
  command(Command::Kind::kDecide, t);
}

// ---- attempts --------------------------------------------------------------------------------

void Machine::start_attempt(const Target& t, std::string why) {
  Execution& e = *t.execution;
  CHECK(e.phase != Phase::kEnded && e.phase != Phase::kLooping, "no attempt can follow");
  CHECK(e.attempt < UINT32_MAX, "attempts are counted in 32 bits");
  CHECK(e.paused_us == 0, "an attempt starts with its clock running");
  ++e.attempt;
  e.attempt_deadline_us = 0;
  set_phase(t, Phase::kStarting, std::move(why));
  command(Command::Kind::kStart, t);
}

// Items of a loop have the loop's clock, unless their time limit is that of their own waiting.
bool Machine::own_clock(const Target& t) const {
  if (t.id.item < 0 || t.execution->alternative > 0) return true;
  return timeout_limits_waiting(*t.step) && state_.rules >= 1;
}

// The clock of an alternative starts with its first attempt.
void Machine::note_start(const Target& t) {
  Execution& e = *t.execution;
  CHECK(e.phase == Phase::kStarting);
  CHECK(e.attempt > 0 && e.attempt_deadline_us == 0, "attempt {} started before", e.attempt);
  if (e.started_us == 0) e.started_us = now_us_;
  if (own_clock(t) && e.deadline_us == 0 && t.step->timeout_us > 0) {
    e.deadline_us = deadline_us(now_us_, t.step->timeout_us);
    set_timer(TimerKind::kStepDeadline, planner_.path(t.id), e.deadline_us);
  }
  const bool by_default = t.step->attempt_timeout_by_default && state_.rules >= 1;
  if (t.step->retry().attempt_timeout_us > 0 && !by_default) {
    e.attempt_deadline_us = deadline_us(now_us_, t.step->retry().attempt_timeout_us);
    set_timer(TimerKind::kAttemptDeadline, planner_.path(t.id), e.attempt_deadline_us);
  }
}

std::shared_ptr<const Failure> Machine::failure_at(const Target& t, const Failure& failure) const {
  auto copy = std::make_shared<Failure>(failure);
  if (copy->step.empty()) copy->step = planner_.path(t.id);
  CHECK(!copy->step.empty(), "a failure of nobody");
  return copy;
}

void Machine::attempt_failed(const Target& t, const AttemptFailed& event) {
  Execution& e = *t.execution;
  CHECK(in_attempt(e) || e.phase == Phase::kUnknown, "no attempt was under way");
  CHECK(e.paused_us == 0, "an attempt ends with its clock running");
  const Retry& retry = t.step->retry();
  ++e.failures;
  e.failure = failure_at(t, event.failure);
  if (!event.retryable || e.failures >= retry.attempts) {
    return alternative_failed(t, StepStatus::kFailed);
  }
  if (e.phase == Phase::kStarting) note_start(t);
  e.attempt_deadline_us = 0;
  e.notes = nullptr;  // a failed attempt is begun anew, one that was cut off goes on
  const std::string path = planner_.path(t.id);
  const int64_t pause = std::max(
      backoff_us(retry, {e.failures, e.attempt, state_.seed, path}), event.retry_after_us);
  const int64_t at = deadline_us(now_us_, std::max<int64_t>(pause, 1));
  const int64_t deadline =
      own_clock(t) ? e.deadline_us : state_.steps[t.id.step].execution.deadline_us;
  // Waiting for an attempt that may not begin would only hide the failure behind a timeout.
  if (deadline != 0 && at >= deadline) return alternative_failed(t, StepStatus::kFailed);
  e.wake_us = at;
  set_phase(t, Phase::kRetrying,
            fmt::format("attempt {} failed, retry in {}", e.attempt, duration_text(pause)));
  set_timer(TimerKind::kRetry, path, at);
}

// `end` is how the step ends if there is no further fallback.
void Machine::alternative_failed(const Target& t, StepStatus end_status) {
  Execution& e = *t.execution;
  const Step& definition = workflow_.steps[t.id.step];
  CHECK(end_status == StepStatus::kFailed || end_status == StepStatus::kTimedOut);
  CHECK(e.phase != Phase::kEnded && e.phase != Phase::kLooping);
  CHECK(e.failure != nullptr, "'{}' failed without a word", definition.id);
  if (e.alternative == definition.fallback().size()) return end(t, end_status);
  ++e.alternative;
  e.failures = 0;
  e.notes = nullptr;
  e.deadline_us = 0;
  e.attempt_deadline_us = 0;
  e.paused_us = 0;
  const Target next = target(t.id);
  std::string why = fmt::format("fallback '{}'", next.step->id);
  if (next.step->when().empty()) return start_attempt(next, std::move(why));
  set_phase(next, Phase::kDeciding, std::move(why));
  command(Command::Kind::kDecide, next);
}

void Machine::succeed(const Target& t, json::Value output) {
  CHECK(t.execution->phase != Phase::kEnded, "terminal states never change");
  CHECK(t.execution->output.is_null(), "an output before the success");
  t.execution->output = std::move(output);
  t.execution->failure = nullptr;
  end(t, StepStatus::kSucceeded);
}

void Machine::end(const Target& t, StepStatus end_status, std::string why) {
  CHECK(terminal(end_status));
  Execution& e = *t.execution;
  const bool failed = end_status == StepStatus::kFailed || end_status == StepStatus::kTimedOut;
  CHECK(!failed || e.failure != nullptr);
  e.end = end_status;
  e.notes = nullptr;
  e.ended_us = now_us_;
  e.deadline_us = e.attempt_deadline_us = e.paused_us = 0;
  e.tolerated = failed && workflow_.steps[t.id.step].on_error == OnError::kContinue;
  set_phase(t, Phase::kEnded, std::move(why));
  if (t.id.item >= 0) return item_ended(t);
  state_.steps[t.id.step].ended_sequence = state_.sequence + 1;
  CHECK(state_.unfinished > 0);
  CHECK(ended_.size() < state_.steps.size(), "every step ends once");
  --state_.unfinished;
  ended_.push_back(t.id.step);
}

// ---- clocks ----------------------------------------------------------------------------------

// While an execution waits for a person, a signal or a time, its clock stands still, unless its
// timeout is the limit of that very waiting.
void Machine::pause(const Target& t) {
  const Phase phase = t.execution->phase;
  CHECK(phase == Phase::kSuspended || phase == Phase::kUnknown || phase == Phase::kLooping,
        "the clock stands still only for who waits");
  CHECK(now_us_ >= t.execution->paused_us);
  if (timeout_limits_waiting(*t.step) || t.execution->paused_us != 0) return;
  t.execution->paused_us = now_us_;
}

void Machine::resume(const Target& t) {
  Execution& e = *t.execution;
  const int64_t stood = e.paused_us == 0 ? 0 : now_us_ - e.paused_us;
  CHECK(stood >= 0);
  e.paused_us = 0;
  if (stood == 0) return;
  if (e.deadline_us != 0) {
    e.deadline_us += stood;
    set_timer(TimerKind::kStepDeadline, planner_.path(t.id), e.deadline_us);
  }
  if (e.attempt_deadline_us != 0) {
    e.attempt_deadline_us += stood;
    set_timer(TimerKind::kAttemptDeadline, planner_.path(t.id), e.attempt_deadline_us);
  }
}

void Machine::set_loop_clock(uint32_t step) {
  const StepState& s = state_.steps[step];
  CHECK(!s.item_executions.empty(), "step {} is no loop", step);
  CHECK(s.items_busy + s.items_suspended <= s.item_executions.size());
  const Target loop = target({step});
  if (s.execution.phase != Phase::kLooping) return;
  if (s.items_busy == 0 && s.items_suspended > 0) {
    pause(loop);
  } else if (s.execution.paused_us != 0) {
    resume(loop);
  }
}

void Machine::set_run_clock() {
  if (state_.status == RunStatus::kQueued || terminal(state_.status)) return;
  const bool still = state_.busy == 0 && state_.suspended > 0;
  CHECK((state_.paused_us != 0) == (state_.status == RunStatus::kWaiting), "a clock stands still");
  if (still == (state_.paused_us != 0)) return;
  if (still) {
    state_.paused_us = now_us_;
    return change_run(RunStatus::kWaiting, "only waits for people, signals or time");
  }
  const int64_t stood = now_us_ - state_.paused_us;
  CHECK(stood >= 0);
  state_.paused_us = 0;
  if (state_.deadline_us != 0 && stood > 0) {
    state_.deadline_us += stood;
    set_timer(TimerKind::kRunDeadline, "", state_.deadline_us);
  }
  change_run(RunStatus::kRunning, "");
}

// ---- loops -----------------------------------------------------------------------------------

void Machine::begin_loop(const Target& t, json::Array items) {
  StepState& s = state_.steps[t.id.step];
  CHECK(t.id.item < 0 && s.item_executions.empty());
  CHECK(s.items_started == 0 && s.items_ended == 0, "a loop begins once");
  CHECK(t.execution->alternative == 0, "fallbacks have no loops");
  t.execution->started_us = now_us_;
  if (items.empty()) return succeed(t, json::Array{});
  s.items = std::move(items);
  s.item_executions.resize(s.items.size());
  set_phase(t, Phase::kLooping, fmt::format("{} items", s.items.size()));
  const bool items_have_it = timeout_limits_waiting(*t.step) && state_.rules >= 1;
  if (t.step->timeout_us > 0 && !items_have_it) {
    t.execution->deadline_us = deadline_us(now_us_, t.step->timeout_us);
    set_timer(TimerKind::kStepDeadline, planner_.path(t.id), t.execution->deadline_us);
  }
  start_items(t.id.step);
}

void Machine::start_items(uint32_t step) {
  StepState& s = state_.steps[step];
  const uint32_t limit = workflow_.steps[step].concurrency;
  CHECK(s.execution.phase == Phase::kLooping, "items of a loop that does not run");
  CHECK(s.items_ended <= s.items_started, "{} of {} items ended", s.items_ended, s.items_started);
  CHECK(s.items_started <= s.item_executions.size());
  while (s.items_started < s.item_executions.size() &&
         (limit == 0 || s.items_started - s.items_ended < limit)) {
    const int64_t item = s.items_started++;
    start_attempt(target({step, item}));
  }
}

// Called with the item's end recorded. The loop ends with its last item, or with the first item
// that failed and is not tolerated.
void Machine::item_ended(const Target& t) {
  StepState& s = state_.steps[t.id.step];
  const Execution& item = *t.execution;
  CHECK(t.id.item >= 0 && item.phase == Phase::kEnded);
  CHECK(s.items_ended < s.item_executions.size(), "every item ends once");
  ++s.items_ended;
  if (s.execution.phase != Phase::kLooping) return;  // the loop has ended and takes them along
  const bool failed = item.end == StepStatus::kFailed || item.end == StepStatus::kTimedOut;
  if (failed && !item.tolerated) {
    const Target loop = target({t.id.step});
    loop.execution->failure = item.failure;
    end(loop, StepStatus::kFailed, fmt::format("item {} failed", t.id.item));
    return end_items(t.id.step, StepStatus::kCancelled, "another item failed");
  }
  if (s.items_ended < s.item_executions.size()) return start_items(t.id.step);
  json::Array outputs;
  outputs.reserve(s.item_executions.size());
  for (const Execution& e : s.item_executions) outputs.push_back(e.output);
  succeed(target({t.id.step}), std::move(outputs));
}

// Ends what has not ended of a loop that has.
void Machine::end_items(uint32_t step, StepStatus end_status, const std::string& why) {
  StepState& s = state_.steps[step];
  CHECK(s.execution.phase == Phase::kEnded);
  CHECK(terminal(end_status) && end_status != StepStatus::kSucceeded);
  for (size_t i = 0; i < s.item_executions.size(); ++i) {
    const Target t = target({step, static_cast<int64_t>(i)});
    if (t.execution->phase == Phase::kEnded) continue;
    if (in_attempt(*t.execution)) command(Command::Kind::kStop, t);
    if (end_status == StepStatus::kTimedOut) t.execution->failure = s.execution.failure;
    const bool begun = t.execution->phase != Phase::kIdle;
    end(t, begun ? end_status : StepStatus::kCancelled, why);
  }
}

}  // namespace weft::workflow
