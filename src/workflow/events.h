// SPDX-License-Identifier: Apache-2.0
//
// The events of a run: what has happened, as the executor observed or decided it outside. They
// are the only input of the planner, and the body of the journal: folding them through
// Planner::apply gives the state, byte for byte, whenever and wherever it is done.
//
// An event says what happened to an *attempt* or a *run*; what follows from it (a retry, a skipped
// successor, the end of the run) is never an event: it is computed again by whoever folds.
//
// A path names an execution: "classify" for a step, "translate[3]" for item 3 of a loop. Fallbacks
// run under the path of their step, as its alternative 1, 2, …. Attempts of a path are numbered
// from 1 and never reused, through retries, fallbacks and interruptions alike; an event of an
// attempt that is no longer the current one is stale and changes nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/error.h"
#include "base/json.h"

namespace weft::workflow {

// Why an attempt, a step or a run failed.
struct Failure {
  std::string code;      // "E0612", or a word such as "approval_rejected"
  std::string message;
  std::string hint;
  std::string step;      // path of the step where it began; filled by the planner when empty
  bool operator==(const Failure&) const = default;
};
Failure failure_of(const Error& error);

enum class WaitReason : uint8_t { kNone, kPerson, kSignal, kTime, kChildRun, kResource };

// How a step may have ended, in the order of the terminal words of StepStatus (state.h).
enum class StepEnd : uint8_t { kSucceeded, kFailed, kSkipped, kCancelled, kTimedOut };

// What a timer is for. (run, path, kind) identifies a timer: setting it again replaces it.
enum class TimerKind : uint8_t { kRunDeadline, kStepDeadline, kAttemptDeadline, kRetry, kWake };

// By which rules a run decides what follows from its events. A run keeps those that it was accepted
// by: what happened under older ones would otherwise fold to something that never did.
//   0  before they were counted
//   1  a failure is forgiven by an any_ok step that ran, no longer by one that was skipped; the
//      attempt_timeout of `defaults` does not bound steps that wait; in a loop of steps that wait
//      each item has the time limit, not the loop
constexpr uint32_t kRules = 1;

// The run is stored. `env` holds the allow-listed environment as read now; `seed` decides every
// jitter of the run. A sub-workflow names its parent and the path there that waits for it; a run
// made from another one (retry, fork) names that as its origin, and ResultKept follow.
struct RunAccepted {
  std::string run;
  std::string definition;  // hash of the workflow
  json::Value input;
  json::Value env;         // object
  int32_t priority = 1;
  int64_t timeout_us = 0;  // of the run; 0: none
  uint64_t seed = 0;
  std::string parent;
  std::string parent_path;
  std::string origin;
  std::string effects_of;  // the run whose id stands in keys of effects; empty: this one
  uint32_t rules = kRules; // a journal without them: 0
};
// Before RunStarted: the step does not run, its end is that of the run's origin.
struct ResultKept {
  std::string path;
  StepEnd end = StepEnd::kSucceeded;
  json::Value output;   // of a success
  Failure failure;      // of a failure
};
// A worker took the run: its clock starts.
struct RunStarted {};
// Answer to Command::kDecide: `when` and `for_each` (of a fallback: `when`) were evaluated.
struct StepDecided {
  std::string path;
  bool run = true;         // false: skipped (a fallback: passed over)
  json::Value items;       // array, if the step has for_each and `run`; else null
};
// Answer to Command::kDecide: they could not be evaluated. The step (the fallback) fails.
struct DecisionFailed {
  std::string path;
  Failure failure;
};
// An executor took the attempt.
struct AttemptStarted {
  std::string path;
  uint32_t attempt = 0;
};
struct AttemptSucceeded {
  std::string path;
  uint32_t attempt = 0;
  json::Value output;
};
struct AttemptFailed {
  std::string path;
  uint32_t attempt = 0;
  Failure failure;
  bool retryable = true;       // false: no retry of this alternative, whatever `retry` says
  int64_t retry_after_us = 0;  // the peer asked for at least this pause
};
// The attempt waits for something outside; with `until_us` != 0 the planner sets a timer and
// answers with Command::kResume when it fires. `name` is that of the signal, or the child run's id;
// `ask` what people are shown (an object, or null), so that the journal says what they saw.
struct AttemptWaiting {
  std::string path;
  uint32_t attempt = 0;
  WaitReason reason = WaitReason::kNone;
  int64_t until_us = 0;
  std::string name = {};
  json::Value ask = {};
};
struct AttemptResumed {
  std::string path;
  uint32_t attempt = 0;
};
// The process that ran the attempt is gone and running it again is harmless (pure, keyed, or not
// begun). Not a failure: the step becomes ready again under the next attempt number.
struct AttemptInterrupted {
  std::string path;
  uint32_t attempt = 0;
};
// An unsafe effect was cut off: nobody knows whether it happened. on_unknown decides.
struct AttemptUnknown {
  std::string path;
  uint32_t attempt = 0;
  Failure failure;
};
// A person decided about an unknown step.
struct UnknownResolved {
  enum class Resolution : uint8_t { kRetry, kFail, kSucceed };
  std::string path;
  Resolution resolution = Resolution::kFail;
  json::Value output;  // for kSucceed
  std::string by;
};
// A person decided what an approval step asks.
struct ApprovalDecided {
  enum class Decision : uint8_t { kApproved, kRejected };
  std::string path;
  Decision decision = Decision::kRejected;
  std::string by;
  std::string comment;
};
// Goes to the execution that has waited longest for a signal of this name; one that nobody waits
// for is kept until somebody does. One signal, one receiver.
struct SignalReceived {
  std::string name;
  json::Value payload;
  std::string by;
};
// The child run that `path` waits for has ended.
struct ChildEnded {
  std::string path;
  std::string run;
  std::string status;  // a terminal word of RunStatus
  json::Value output;
  Failure failure;
};
struct TimerFired {
  TimerKind kind = TimerKind::kRetry;
  std::string path;  // empty for the run
};
struct CancelRequested {
  std::string by;
  std::string reason;
};
// Answer to Command::kFinish of a run whose steps succeeded: its output was rendered, or not.
struct RunFinished {
  json::Value output;
  bool ok = true;   // false: the output could not be rendered, and the run fails with `failure`
  Failure failure;
};

// Something that an attempt must not do twice, or must not forget, in the words of its step type: a
// turn of an agent, the result of a tool. Kept with the execution until the step ends or begins
// anew; an attempt that continues after a crash finds all of them.
struct AttemptNoted {
  std::string path;
  uint32_t attempt = 0;
  json::Value note;
};

using EventBody =
    std::variant<RunAccepted, RunStarted, StepDecided, DecisionFailed, AttemptStarted,
                 AttemptSucceeded, AttemptFailed, AttemptWaiting, AttemptResumed,
                 AttemptInterrupted, AttemptUnknown, UnknownResolved, TimerFired, CancelRequested,
                 RunFinished, ResultKept, ApprovalDecided, SignalReceived, ChildEnded,
                 AttemptNoted>;

struct Event {
  int64_t at_us = 0;  // time of the store, microseconds since 1970; never goes back in a run
  EventBody body;
};

// "run_accepted", "attempt_failed", …: the `kind` column of the journal.
std::string_view kind(const Event& event);
// Path the event is about; empty for events of the run.
std::string_view path(const Event& event);

// {"kind": …, "at": microseconds, …fields}; null and empty text are left out. The reverse refuses
// unknown fields and wrong types. E0431: not an event.
std::string to_text(const Event& event);
Result<Event> event_from_json(const json::Value& value);

json::Value to_json(const Failure& failure);
Result<Failure> failure_from_json(const json::Value& value);

std::string_view name(WaitReason reason);  // "person"
std::string_view name(TimerKind kind);     // "step_deadline"
std::string_view name(ApprovalDecided::Decision decision);  // "approved"

}  // namespace weft::workflow
