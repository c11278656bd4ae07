// SPDX-License-Identifier: Apache-2.0
//
// The events of a run, one handler each, and how a run ends.
#include <fmt/format.h>

#include <utility>

#include "workflow/machine.h"
#include "workflow/restart.h"
#include "workflow/schedule.h"

namespace weft::workflow {
namespace {

Error misfit(std::string message) {
  return make_error("E0430", std::move(message),
                    "the journal is damaged, or belongs to another definition");
}

}  // namespace

// ---- whom an event is about ------------------------------------------------------------------

Result<Machine::Target> Machine::target(std::string_view path) {
  if (state_.run.empty()) return misfit("expected run_accepted as the first event of a run");
  if (state_.status == RunStatus::kQueued) {
    return misfit(fmt::format("an event of '{}' before run_started", path));
  }
  const auto id = planner_.find(path);
  if (!id) return misfit(fmt::format("expected a path of the workflow, found {}", quoted(path)));
  if (id->item >= static_cast<int64_t>(state_.steps[id->step].item_executions.size())) {
    return misfit(fmt::format("'{}' has no such item", path));
  }
  Target t = target(*id);
  t.stale = t.execution->phase == Phase::kEnded;
  return t;
}

Result<Machine::Target> Machine::target(std::string_view path, uint32_t attempt) {
  Target t = TRY(target(path));
  if (attempt == 0 || attempt > t.execution->attempt) {
    return misfit(fmt::format("attempt {} of '{}' was never started", attempt, path));
  }
  t.stale = t.stale || attempt < t.execution->attempt;
  CHECK(t.execution->attempt >= attempt && t.step != nullptr);
  return t;
}

// ---- the run ---------------------------------------------------------------------------------

Status Machine::on(const RunAccepted& event) {
  if (!state_.run.empty()) return misfit("a run is accepted once");
  if (event.run.empty()) return misfit("expected the id of the run");
  if (event.definition != workflow_.hash) {
    return misfit(fmt::format("expected definition {}, found {}", workflow_.hash,
                              event.definition));
  }
  if (event.rules > kRules) {
    return make_error("E0430", fmt::format("the run decides by rules {}, this weft knows those up "
                                           "to {}", event.rules, kRules),
                      "a newer weft accepted it: go on with that one");
  }
  CHECK(state_.steps.empty() && state_.sequence == 0, "a new run has a past");
  CHECK(state_.unfinished == 0 && state_.busy == 0 && state_.suspended == 0);
  state_.run = event.run;
  state_.input = event.input;
  state_.env = event.env;
  state_.priority = event.priority;
  state_.timeout_us = event.timeout_us;
  state_.seed = event.seed;
  state_.parent = event.parent;
  state_.parent_path = event.parent_path;
  state_.origin = event.origin;
  if (event.effects_of != event.run) state_.effects_of = event.effects_of;
  state_.rules = event.rules;
  state_.accepted_us = now_us_;
  state_.steps.resize(workflow_.steps.size());
  state_.unfinished = static_cast<uint32_t>(workflow_.steps.size());
  change_run(RunStatus::kQueued, "");
  return ok_status();
}

Status Machine::on(const RunStarted&) {
  if (state_.run.empty()) return misfit("expected run_accepted as the first event of a run");
  if (state_.status != RunStatus::kQueued) {
    decision_.stale = true;
    return ok_status();
  }
  state_.started_us = now_us_;
  state_.deadline_us = deadline_us(now_us_, state_.timeout_us);
  CHECK(state_.unfinished > 0, "a run that keeps everything has nothing to do");
  CHECK(state_.busy == 0 && state_.suspended == 0, "steps began before the run");
  change_run(RunStatus::kRunning, "");
  if (state_.deadline_us != 0) set_timer(TimerKind::kRunDeadline, "", state_.deadline_us);
  for (uint32_t i = 0; i < workflow_.steps.size(); ++i) {
    if (state_.steps[i].execution.phase == Phase::kEnded) {
      ended_.push_back(i);  // kept: its successors hear of it now
    } else if (workflow_.steps[i].dependencies.empty()) {
      begin(i);
    }
  }
  return ok_status();
}

Status Machine::on(const ResultKept& event) {
  if (state_.run.empty()) return misfit("expected run_accepted as the first event of a run");
  const auto id = planner_.find(event.path);
  if (!id || id->item >= 0) {
    return misfit(fmt::format("expected a step of the workflow, found {}", quoted(event.path)));
  }
  Execution& e = state_.steps[id->step].execution;
  const bool last = state_.unfinished == 1;
  if (state_.status != RunStatus::kQueued || e.phase == Phase::kEnded || last) {
    return misfit(fmt::format("the result of '{}' comes too late, twice, or for a run without "
                              "work", event.path));
  }
  const bool failed = event.end == StepEnd::kFailed || event.end == StepEnd::kTimedOut;
  if (failed) e.failure = std::make_shared<Failure>(event.failure);
  if (event.end == StepEnd::kSucceeded) e.output = event.output;
  const auto status = static_cast<StepStatus>(static_cast<int>(StepStatus::kSucceeded) +
                                              static_cast<int>(event.end));
  e.started_us = now_us_;
  end(target(*id), status, "kept from run " + state_.origin);
  ended_.clear();  // successors hear of it when the run starts
  return ok_status();
}

Status Machine::on(const CancelRequested& event) {
  if (state_.run.empty()) return misfit("expected run_accepted as the first event of a run");
  if (terminal(state_.status)) {
    decision_.stale = true;
    return ok_status();
  }
  Failure failure;
  failure.code = "cancelled";
  failure.message = event.by.empty() ? "cancelled" : "cancelled by " + event.by;
  if (!event.reason.empty()) failure.message += ": " + event.reason;
  end_everything(RunStatus::kCancelled, failure);
  return ok_status();
}

Status Machine::on(const RunFinished& event) {
  if (terminal(state_.status)) {
    decision_.stale = true;
    return ok_status();
  }
  if (state_.run.empty() || state_.unfinished > 0) {
    return misfit(fmt::format("run_finished with {} steps left", state_.unfinished));
  }
  CHECK(state_.busy == 0, "{} executions run on", state_.busy);
  CHECK(state_.suspended == 0, "{} executions wait on", state_.suspended);
  CHECK(state_.failure == nullptr, "a failed run is terminal");
  state_.ended_us = now_us_;
  if (event.ok) {
    state_.output = event.output;
  } else {
    state_.failure = std::make_shared<Failure>(event.failure);
  }
  change_run(event.ok ? RunStatus::kSucceeded : RunStatus::kFailed,
             event.ok ? "" : event.failure.message);
  return ok_status();
}

// ---- decisions and attempts ------------------------------------------------------------------

Status Machine::on(const StepDecided& event) {
  const Target t = TRY(target(event.path));
  if (t.stale || t.execution->phase != Phase::kDeciding) {
    decision_.stale = true;
    return ok_status();
  }
  CHECK(t.id.item < 0 || t.execution->alternative > 0, "an item decides for itself");
  const bool fallback = t.execution->alternative > 0;
  const bool loop = !fallback && !t.step->for_each().is_null();
  if (event.run && loop != event.items.is_array()) {
    return misfit(fmt::format("'{}' {} items", event.path, loop ? "needs" : "has no"));
  }
  if (!event.run && fallback) {
    alternative_failed(t, StepStatus::kFailed);
  } else if (!event.run) {
    end(t, StepStatus::kSkipped, "its condition is false");
  } else if (loop) {
    begin_loop(t, event.items.get_array());
  } else {
    start_attempt(t);
  }
  return ok_status();
}

Status Machine::on(const DecisionFailed& event) {
  const Target t = TRY(target(event.path));
  if (t.stale || t.execution->phase != Phase::kDeciding) {
    decision_.stale = true;
    return ok_status();
  }
  CHECK(t.id.item < 0 || t.execution->alternative > 0, "an item decides for itself");
  t.execution->failure = failure_at(t, event.failure);
  // Nobody knows whether the step should run: then its fallbacks should not, either.
  if (t.execution->alternative == 0) {
    end(t, StepStatus::kFailed, "its condition or list cannot be evaluated");
  } else {
    alternative_failed(t, StepStatus::kFailed);
  }
  return ok_status();
}

Status Machine::on(const AttemptStarted& event) {
  const Target t = TRY(target(event.path, event.attempt));
  if (t.stale || t.execution->phase != Phase::kStarting) {
    decision_.stale = true;
    return ok_status();
  }
  CHECK(t.execution->attempt == event.attempt, "an older attempt of '{}' counts", event.path);
  note_start(t);
  set_phase(t, Phase::kRunning);
  return ok_status();
}

// A result may come without AttemptStarted: executors leave it out for steps that take no time.
Status Machine::on(const AttemptSucceeded& event) {
  const Target t = TRY(target(event.path, event.attempt));
  if (t.stale || !(in_attempt(*t.execution) || t.execution->phase == Phase::kUnknown)) {
    decision_.stale = true;
    return ok_status();
  }
  CHECK(t.execution->attempt == event.attempt, "an older attempt of '{}' counts", event.path);
  if (t.execution->started_us == 0) t.execution->started_us = now_us_;
  succeed(t, event.output);
  return ok_status();
}

Status Machine::on(const AttemptFailed& event) {
  const Target t = TRY(target(event.path, event.attempt));
  if (t.stale || !(in_attempt(*t.execution) || t.execution->phase == Phase::kUnknown)) {
    decision_.stale = true;
    return ok_status();
  }
  CHECK(t.execution->attempt == event.attempt, "an older attempt of '{}' counts", event.path);
  resume(t);
  attempt_failed(t, event);
  return ok_status();
}

Status Machine::on(const AttemptWaiting& event) {
  const Target t = TRY(target(event.path, event.attempt));
  if (event.reason == WaitReason::kNone) return misfit("expected a reason for waiting");
  Execution& e = *t.execution;
  if (t.stale || !in_attempt(e)) {
    decision_.stale = true;
    return ok_status();
  }
  CHECK(e.attempt == event.attempt, "an older attempt of '{}' counts", event.path);
  if (e.phase == Phase::kStarting) note_start(t);
  // By way of kRunning, because the count of a suspended execution depends on its reason.
  if (e.phase == Phase::kSuspended) {
    resume(t);
    set_phase(t, Phase::kRunning);
  }
  if (e.phase == Phase::kStarting) set_phase(t, Phase::kRunning);
  e.reason = event.reason;  // does not matter to the count of kRunning
  if (!event.name.empty() || !event.ask.is_null()) {
    e.waiting = std::make_shared<const Waiting>(Waiting{event.name, event.ask, nullptr});
  }
  e.wake_us = event.until_us;
  set_phase(t, Phase::kSuspended, fmt::format("waits for {}", name(event.reason)));
  if (event.reason != WaitReason::kChildRun && event.reason != WaitReason::kResource) pause(t);
  if (event.until_us != 0) set_timer(TimerKind::kWake, planner_.path(t.id), event.until_us);
  if (event.reason == WaitReason::kSignal && !event.name.empty()) listen(t);
  return ok_status();
}

Status Machine::on(const AttemptResumed& event) {
  const Target t = TRY(target(event.path, event.attempt));
  if (t.stale || t.execution->phase != Phase::kSuspended) {
    decision_.stale = true;
    return ok_status();
  }
  CHECK(t.execution->attempt == event.attempt, "an older attempt of '{}' counts", event.path);
  resume(t);
  set_phase(t, Phase::kRunning);
  return ok_status();
}

Status Machine::on(const AttemptInterrupted& event) {
  const Target t = TRY(target(event.path, event.attempt));
  if (t.stale || !in_attempt(*t.execution)) {
    decision_.stale = true;
    return ok_status();
  }
  CHECK(t.execution->attempt == event.attempt, "an older attempt of '{}' counts", event.path);
  resume(t);
  start_attempt(t, "its process ended");
  return ok_status();
}

Status Machine::on(const AttemptNoted& event) {
  const Target t = TRY(target(event.path, event.attempt));
  if (event.note.is_null()) return misfit(fmt::format("an empty note of '{}'", event.path));
  if (t.stale || t.execution->phase != Phase::kRunning) {
    decision_.stale = true;
    return ok_status();
  }
  CHECK(t.execution->attempt == event.attempt, "an older attempt of '{}' counts", event.path);
  auto notes = t.execution->notes ? std::make_shared<json::Array>(*t.execution->notes)
                                  : std::make_shared<json::Array>();
  notes->push_back(event.note);
  t.execution->notes = std::move(notes);
  return ok_status();
}

Status Machine::on(const AttemptUnknown& event) {
  const Target t = TRY(target(event.path, event.attempt));
  if (t.stale || !in_attempt(*t.execution)) {
    decision_.stale = true;
    return ok_status();
  }
  CHECK(t.execution->attempt == event.attempt, "an older attempt of '{}' counts", event.path);
  t.execution->failure = failure_at(t, event.failure);
  resume(t);
  switch (t.step->on_unknown) {
    case OnUnknown::kRetry:
      start_attempt(t, "nobody knows whether it acted; on_unknown is retry");
      break;
    case OnUnknown::kFail:
      alternative_failed(t, StepStatus::kFailed);
      break;
    case OnUnknown::kAsk:
      set_phase(t, Phase::kUnknown, "nobody knows whether it acted; a person must say");
      pause(t);
      break;
  }
  return ok_status();
}

Status Machine::on(const UnknownResolved& event) {
  const Target t = TRY(target(event.path));
  if (t.stale || t.execution->phase != Phase::kUnknown) {
    decision_.stale = true;
    return ok_status();
  }
  CHECK(t.execution->attempt > 0, "nothing of '{}' can be unknown", event.path);
  CHECK(t.execution->end == StepStatus::kPending);
  resume(t);
  switch (event.resolution) {
    case UnknownResolved::Resolution::kRetry:
      start_attempt(t, "retried by " + event.by);
      break;
    case UnknownResolved::Resolution::kFail:
      alternative_failed(t, StepStatus::kFailed);
      break;
    case UnknownResolved::Resolution::kSucceed:
      succeed(t, event.output);
      break;
  }
  return ok_status();
}

// ---- timers ----------------------------------------------------------------------------------

// A timer counts only if what it was set for still stands and its time has come: deadlines move
// while clocks stand still, and every move sets a new timer.
Status Machine::on(const TimerFired& event) {
  const auto due = [&](int64_t at_us) { return at_us != 0 && at_us <= now_us_; };
  if (event.kind == TimerKind::kRunDeadline) {
    if (state_.run.empty()) return misfit("a timer before run_accepted");
    decision_.stale =
        terminal(state_.status) || state_.paused_us != 0 || !due(state_.deadline_us);
    if (decision_.stale) return ok_status();
    end_everything(RunStatus::kTimedOut,
                   {"timeout", "the run did not end within " + duration_text(state_.timeout_us),
                    "raise `timeout` of the workflow, or of the request", ""});
    return ok_status();
  }
  const Target t = TRY(target(event.path));
  Execution& e = *t.execution;
  switch (event.kind) {
    case TimerKind::kStepDeadline:
      decision_.stale = t.stale || e.paused_us != 0 || !due(e.deadline_us);
      if (!decision_.stale) step_deadline(t);
      break;
    case TimerKind::kAttemptDeadline: {
      decision_.stale = t.stale || e.paused_us != 0 || !due(e.attempt_deadline_us) ||
                        (e.phase != Phase::kRunning && e.phase != Phase::kSuspended);
      if (decision_.stale) break;
      command(Command::Kind::kStop, t);
      AttemptFailed failed;
      failed.failure.code = "timeout";
      failed.failure.message =
          "the attempt did not end within " + duration_text(t.step->retry().attempt_timeout_us);
      attempt_failed(t, failed);
      break;
    }
    case TimerKind::kRetry:
      decision_.stale = t.stale || e.phase != Phase::kRetrying || !due(e.wake_us);
      if (!decision_.stale) start_attempt(t);
      break;
    case TimerKind::kWake:
      decision_.stale = t.stale || e.phase != Phase::kSuspended || e.woken != Wake::kNo ||
                        !due(e.wake_us);
      if (decision_.stale) break;
      wake(t, Wake::kTime);
      break;
    case TimerKind::kRunDeadline:
      CHECK(false);
  }
  return ok_status();
}

void Machine::step_deadline(const Target& t) {
  Execution& e = *t.execution;
  CHECK(e.phase != Phase::kEnded);
  CHECK(e.paused_us == 0 && e.deadline_us <= now_us_, "the deadline has not come");
  if (t.step->type == "approval" && e.phase == Phase::kSuspended) {
    e.deadline_us = 0;  // once; what follows is the business of the step type (on_timeout)
    if (e.woken == Wake::kNo) wake(t, Wake::kLimit);  // else it was answered in time
    return;
  }
  if (in_attempt(e)) command(Command::Kind::kStop, t);
  e.failure = failure_at(
      t, {"timeout", "the step did not end within " + duration_text(t.step->timeout_us),
          "raise `timeout` of the step, or bound one attempt by retry.attempt_timeout", ""});
  if (e.phase != Phase::kLooping) return alternative_failed(t, StepStatus::kTimedOut);
  end(t, StepStatus::kTimedOut);
  end_items(t.id.step, StepStatus::kTimedOut, "the loop timed out");
}

// ---- ends ------------------------------------------------------------------------------------

// The terminal write comes first: the run has ended before anything that still runs is stopped,
// and nothing that it says later counts.
void Machine::end_everything(RunStatus run, const Failure& failure) {
  CHECK(run == RunStatus::kCancelled || run == RunStatus::kTimedOut);
  CHECK(!terminal(state_.status), "terminal states never change");
  const auto shared = std::make_shared<Failure>(failure);
  for (uint32_t i = 0; i < state_.steps.size(); ++i) {
    const Target t = target({i});
    Execution& e = *t.execution;
    if (e.phase == Phase::kEnded) continue;
    const bool begun = e.started_us != 0;
    if (in_attempt(e)) command(Command::Kind::kStop, t);
    const auto how = run == RunStatus::kTimedOut && begun ? StepStatus::kTimedOut
                                                          : StepStatus::kCancelled;
    e.failure = shared;
    end(t, how, failure.message);
    end_items(i, how, failure.message);
  }
  ended_.clear();  // no successor is left to hear of it
  CHECK(state_.unfinished == 0, "{} steps survived the end", state_.unfinished);
  CHECK(state_.busy == 0, "{} executions survived the end", state_.busy);
  CHECK(state_.suspended == 0, "{} waits survived the end", state_.suspended);
  state_.failure = shared;
  state_.ended_us = now_us_;
  change_run(run, failure.message);
  Command c;
  c.kind = Command::Kind::kFinish;
  c.run_status = run;
  decision_.commands.push_back(std::move(c));
}

void Machine::change_run(RunStatus status, std::string why) {
  CHECK(!terminal(state_.status), "terminal states never change");
  state_.status = status;
  CHECK(!terminal(status) || state_.unfinished == 0, "a run ends after its steps");
  if (terminal(status)) state_.paused_us = 0;
  Change change;
  change.run = status;
  change.why = std::move(why);
  decision_.changes.push_back(std::move(change));
}

void Machine::conclude_run() {
  CHECK(state_.unfinished == 0, "{} steps are left", state_.unfinished);
  CHECK(state_.busy == 0, "{} executions run on", state_.busy);
  CHECK(state_.suspended == 0, "{} executions wait on", state_.suspended);
  uint64_t first = UINT64_MAX;
  std::shared_ptr<const Failure> failure;
  for (uint32_t i = 0; i < state_.steps.size(); ++i) {
    const StepState& s = state_.steps[i];
    const StepStatus end = s.execution.end;
    const bool failed = end == StepStatus::kFailed || end == StepStatus::kTimedOut;
    if (!failed || s.ended_sequence >= first || forgiven(planner_, state_, i)) continue;
    first = s.ended_sequence;
    failure = s.execution.failure;
  }
  Command c;
  c.kind = Command::Kind::kFinish;
  c.run_status = failure != nullptr ? RunStatus::kFailed : RunStatus::kSucceeded;
  if (failure != nullptr) {
    state_.failure = failure;
    state_.ended_us = now_us_;
    change_run(RunStatus::kFailed, failure->message);
  }
  decision_.commands.push_back(std::move(c));
}

Decision Machine::finish() {
  const bool had_unfinished = !ended_.empty();
  for (size_t i = 0; i < ended_.size(); ++i) {
    const uint32_t from = ended_[i];
    for (const uint32_t s : planner_.graph().successors(from)) arrive(s, from);
  }
  if (had_unfinished && state_.unfinished == 0) conclude_run();
  set_run_clock();
  // What holds between any two events.
  CHECK(state_.unfinished <= state_.steps.size(), "{} steps are left", state_.unfinished);
  CHECK(state_.unfinished > 0 || state_.busy == 0, "{} executions run on", state_.busy);
  CHECK(!terminal(state_.status) || state_.paused_us == 0, "the clock of an ended run");
  CHECK(state_.status != RunStatus::kWaiting || state_.suspended > 0, "waits for nothing");
  CHECK(state_.status != RunStatus::kWaiting || state_.busy == 0, "waits although it runs");
  CHECK(state_.failure == nullptr || terminal(state_.status), "a failure of a run that goes on");
  CHECK(state_.output.is_null() || state_.status == RunStatus::kSucceeded);
  return std::move(decision_);
}

}  // namespace weft::workflow
