// SPDX-License-Identifier: Apache-2.0
//
// The state of one run: what a fold of its events leaves. Plain data; only the planner changes
// it. It holds everything the next decision needs and nothing that can be looked up in the
// definition. Equal folds give equal states, and to_json() gives equal text for them.
//
// An *execution* is one line of attempts: a step, or one item of a step's loop. Its phase says
// what it waits for; the status that people see follows from it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "workflow/definition.h"
#include "workflow/events.h"

namespace weft::workflow {

// The words of the format; terminal ones last, from kSucceeded on. They never change again.
enum class StepStatus : uint8_t {
  kPending, kReady, kRunning, kWaiting, kUnknown,
  kSucceeded, kFailed, kSkipped, kCancelled, kTimedOut
};
enum class RunStatus : uint8_t {
  kQueued, kRunning, kWaiting, kSucceeded, kFailed, kCancelled, kTimedOut
};
inline bool terminal(StepStatus status) { return status >= StepStatus::kSucceeded; }
inline bool terminal(RunStatus status) { return status >= RunStatus::kSucceeded; }
std::string_view name(StepStatus status);  // "timed_out"
std::string_view name(RunStatus status);   // "queued"

// What an execution waits for.
enum class Phase : uint8_t {
  kIdle,      // its predecessors (an item: its turn)                 pending
  kDeciding,  // StepDecided                                         ready
  kStarting,  // AttemptStarted                                      ready
  kRunning,   // the result of an attempt                            running
  kLooping,   // its items                                           running
  kRetrying,  // the pause before the next attempt                   waiting (time)
  kSuspended, // a person, a signal, …                               waiting
  kUnknown,   // a decision about a cut-off effect                   unknown
  kEnded      // nothing
};

// Why a suspended execution goes on.
enum class Wake : uint8_t {
  kNo,
  kTime,   // wake_us came
  kLimit,  // an approval's time limit came
  kAnswer  // a person, a signal or a child run answered
};

// What a suspended execution waits for besides time. Never changed, only replaced.
struct Waiting {
  std::string name;       // of the signal; id of the child run
  json::Value ask;        // what people are shown; object or null
  json::Value answer;     // null until it came
};

// Names an execution: step index, and item or -1.
struct ExecutionId {
  uint32_t step = 0;
  int64_t item = -1;
  bool operator==(const ExecutionId&) const = default;
};

struct Execution {
  Phase phase = Phase::kIdle;
  StepStatus end = StepStatus::kPending;  // the terminal status, in phase kEnded
  WaitReason reason = WaitReason::kNone;  // in kSuspended
  bool tolerated = false;                 // failed, but on_error is continue: counts as skipped
  uint16_t alternative = 0;               // 0: the step itself; n: its n-th fallback
  uint32_t attempt = 0;                   // number of the newest attempt; 0: none yet
  uint32_t failures = 0;                  // failed attempts of the current alternative
  int64_t started_us = 0;                 // first attempt of the step
  int64_t ended_us = 0;
  int64_t deadline_us = 0;                // of the current alternative; 0: none
  int64_t attempt_deadline_us = 0;        // of the current attempt; 0: none
  int64_t wake_us = 0;                    // kRetrying: next attempt; kSuspended: until; 0: none
  Wake woken = Wake::kNo;                 // kSuspended: kResume is on its way
  int64_t paused_us = 0;                  // since when its clock stands still; 0: it runs
  std::shared_ptr<const Waiting> waiting; // in kSuspended; null if only time or a resource
  std::shared_ptr<const json::Array> notes;  // of AttemptNoted, in order; null: none
  json::Value output;                     // of a success; else null
  std::shared_ptr<const Failure> failure; // of the last failed attempt, or why it ended
};
StepStatus status(const Execution& execution);
// An attempt was handed out and has not ended: kStarting, kRunning, kSuspended.
bool in_attempt(const Execution& execution);

struct StepState {
  Execution execution;                    // of a loop: of the loop as a whole
  // Predecessors that ended, by how they count for a join.
  uint32_t ok = 0, skipped = 0, failed = 0, cancelled = 0;
  uint32_t first_failed = UINT32_MAX;     // index of the first predecessor that failed
  uint64_t ended_sequence = 0;            // State::sequence when it ended; orders failures
  // State::sequence when its join said run: its templates see what had ended by then, however often
  // they are rendered (attempts, items, fallbacks, waking up, replay).
  uint64_t begun_sequence = 0;
  // A loop's items; empty for other steps.
  json::Array items;
  std::vector<Execution> item_executions;
  uint32_t items_started = 0;             // items are started in order
  uint32_t items_ended = 0;
  uint32_t items_busy = 0;                // items in kDeciding, kStarting, kRunning, kRetrying, …
  uint32_t items_suspended = 0;           // … in kSuspended for a person, signal or time
};

struct State {
  RunStatus status = RunStatus::kQueued;
  std::string run;                        // empty until RunAccepted
  json::Value input;
  json::Value env;
  int32_t priority = 1;
  uint64_t seed = 0;
  std::string parent, parent_path;        // of a sub-workflow; else empty
  std::string origin;                     // the run it was made from (retry, fork)
  std::string effects_of;                 // the run that keys of effects name; empty: this one
  uint32_t rules = 0;                     // by which it decides (events.h, kRules)
  int64_t timeout_us = 0;
  int64_t accepted_us = 0, started_us = 0, ended_us = 0;
  int64_t deadline_us = 0;                // 0: none
  int64_t paused_us = 0;                  // since when the run's clock stands still; 0: it runs
  int64_t now_us = 0;                     // of the newest event
  uint64_t sequence = 0;                  // events applied
  uint32_t unfinished = 0;                // steps that have not ended
  uint32_t busy = 0;                      // executions that use the run's clock
  uint32_t suspended = 0;                 // executions that only wait for a person, signal, time
  std::vector<ExecutionId> listeners;     // suspended for a signal, longest first
  std::vector<SignalReceived> signals;    // that nobody waited for yet, oldest first
  json::Value output;
  std::shared_ptr<const Failure> failure;
  std::vector<StepState> steps;           // as Workflow::steps
};

inline const std::string& effect_run(const State& state) {
  return state.effects_of.empty() ? state.run : state.effects_of;
}

// The whole state, or one step of it: {"status", "attempt", "output", …} without defaults.
json::Value to_json(const State& state, const Workflow& workflow);
json::Value to_json(const StepState& step);
json::Value to_json(const Execution& execution);

}  // namespace weft::workflow
