// SPDX-License-Identifier: Apache-2.0
//
// The planner: what a run does next. apply(state, event) changes the state and returns what the
// executor has to do. It is a pure function: no input or output, clock, thread or randomness;
// time comes with the events, jitter from the run's seed. Work over a whole run is
// O(steps + dependencies + events): an event touches its step and that step's successors only.
//
// Joins (O succeeded, S skipped, F failed or timed out, X cancelled; order does not matter):
//
//   join         OO   OS   SS   OF   SF   FF   OX   SX   FX   XX   decided
//   all_ok       run  run  run  F    F    F    X    X    F    X    when the last is in
//   none_failed  run  run  run  F    F    F    run  run  F    run  when the last is in
//   any_ok       run  run  run  run  run  F    run  run  F    X    at the first O, else at the last
//   all_done     run  run  run  run  run  run  run  run  run  run  when the last is in
//
// run: the step starts, unless its `when` says no. F, X: it ends failed or cancelled without an
// attempt; F carries the failure of the predecessor that failed first. A failure counts only when
// retries and fallbacks are used up; under on_error: continue it counts as S.
//
// A run whose steps have all ended fails if one of them failed, unless that failure was tolerated
// (on_error: continue) or a successor with join any_ok ran in spite of it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "workflow/definition.h"
#include "workflow/events.h"
#include "workflow/graph.h"
#include "workflow/state.h"

namespace weft::workflow {

struct Command {
  enum class Kind : uint8_t {
    kDecide,  // evaluate `when` and `for_each` (render.h), answer StepDecided or DecisionFailed
    kStart,   // run the attempt: AttemptStarted when taken, then its result
    kStop,    // stop the attempt if it runs; what it still says is stale
    kResume,  // what an AttemptWaiting waited for has come (`wake`): the step type says what that
              // means; an answer stands in Execution::waiting until the attempt is resumed
    kTimer,   // deliver TimerFired{timer, path} at `at_us`. A timer whose execution has ended or
              // that was set again is void: dropping it is right, firing it is harmless
    kFinish   // the run ended: `run_status`. kSucceeded: render the output, answer RunFinished;
              // else nothing more will happen
  };
  Kind kind = Kind::kStart;
  TimerKind timer = TimerKind::kRetry;
  Wake wake = Wake::kNo;     // kResume
  RunStatus run_status = RunStatus::kRunning;
  uint16_t alternative = 0;  // 0: the step itself; n: its n-th fallback
  uint32_t attempt = 0;
  uint32_t height = 0;       // kStart: steps on the longest path behind it; more is more urgent
  int64_t at_us = 0;
  std::string path;
  std::string child;         // kStop of what waits for a child run: its id
};

// A row of the step table changed. For the run itself, `path` is empty and `run` set.
struct Change {
  std::string path;
  StepStatus step = StepStatus::kPending;
  RunStatus run = RunStatus::kQueued;
  uint32_t attempt = 0;
  std::string why;           // one short clause for people, e.g. "retry in 1.5 s"; may be empty
};

struct Decision {
  bool stale = false;        // the event came too late and changed nothing (but is counted)
  std::vector<Change> changes;    // in order; a path may stand twice
  std::vector<Command> commands;  // in order
};

class Planner {
 public:
  explicit Planner(std::shared_ptr<const Workflow> workflow);

  // E0430: the event does not fit the run (unknown path, attempt that was never started, second
  // RunAccepted, time going back): a bug or a damaged journal; the state is unchanged.
  Result<Decision> apply(State& state, const Event& event) const;

  // The commands that an undisturbed executor would still be working on. After a crash: load the
  // state, report running attempts as interrupted or unknown, then carry these out.
  std::vector<Command> outstanding(const State& state) const;

  const Workflow& workflow() const { return *workflow_; }
  const std::shared_ptr<const Workflow>& definition() const { return workflow_; }
  const Graph& graph() const { return graph_; }

  // "translate[3]" <-> its step and item. Nothing for an unknown step or a malformed item; whether
  // the item exists is the state's business.
  std::optional<ExecutionId> find(std::string_view path) const;
  std::string path(ExecutionId id) const;
  // The step that runs as `alternative` of `path`: itself or a fallback.
  const Step& step(std::string_view path, uint16_t alternative) const;

 private:
  std::shared_ptr<const Workflow> workflow_;
  Graph graph_;
  std::unordered_map<std::string_view, uint32_t> index_;
};

// The execution that `id` names; nothing if there is no such item (yet).
const Execution* find_execution(const State& state, ExecutionId id);

}  // namespace weft::workflow
