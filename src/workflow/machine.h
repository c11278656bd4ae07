// SPDX-License-Identifier: Apache-2.0
//
// The planner at work on one event: what Planner::apply makes, uses and throws away. Handlers
// (`on`) check the event first and change the state only then, so that a refused event leaves no
// trace. What follows from the end of a step runs off a list, never by recursion.
//
// Who changes a phase does it through set_phase, which alone keeps the counters of busy and
// suspended executions, the clocks that depend on them, and the list of changes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "workflow/planner.h"

namespace weft::workflow {

class Machine {
 public:
  Machine(const Planner& planner, State& state, int64_t now_us)
      : planner_(planner), workflow_(planner.workflow()), state_(state), now_us_(now_us) {}

  Status on(const RunAccepted& event);
  Status on(const RunStarted& event);
  Status on(const StepDecided& event);
  Status on(const DecisionFailed& event);
  Status on(const AttemptStarted& event);
  Status on(const AttemptSucceeded& event);
  Status on(const AttemptFailed& event);
  Status on(const AttemptWaiting& event);
  Status on(const AttemptResumed& event);
  Status on(const AttemptInterrupted& event);
  Status on(const AttemptUnknown& event);
  Status on(const UnknownResolved& event);
  Status on(const TimerFired& event);
  Status on(const CancelRequested& event);
  Status on(const RunFinished& event);
  Status on(const ResultKept& event);
  // machine_answers.cc: what people and other runs say
  Status on(const ApprovalDecided& event);
  Status on(const SignalReceived& event);
  Status on(const ChildEnded& event);
  Status on(const AttemptNoted& event);

  // After a handler that succeeded: lets the ends of steps reach their successors, ends the run
  // if nothing is left, sets the run's clock. Once.
  Decision finish();

 private:
  // An execution with all that is needed to act on it. `step` is the alternative that runs.
  struct Target {
    ExecutionId id;
    Execution* execution = nullptr;
    const Step* step = nullptr;
    bool stale = false;
  };
  Result<Target> target(std::string_view path);
  Result<Target> target(std::string_view path, uint32_t attempt);
  Target target(ExecutionId id);

  void set_phase(const Target& t, Phase phase, std::string why = {});
  void count(const Target& t, int by);
  void set_loop_clock(uint32_t step);
  void set_run_clock();
  void set_timer(TimerKind kind, std::string path, int64_t at_us);
  void command(Command::Kind kind, const Target& t);
  void wake(const Target& t, Wake why);
  void answer(const Target& t, json::Value answer);
  void listen(const Target& t);
  void change_run(RunStatus status, std::string why);

  void arrive(uint32_t step, uint32_t from);          // a predecessor ended
  void begin(uint32_t step);                          // the join says run
  void begin_loop(const Target& t, json::Array items);
  void start_items(uint32_t step);
  void start_attempt(const Target& t, std::string why = {});
  bool own_clock(const Target& t) const;              // not that of its loop
  void note_start(const Target& t);                   // the first sign of life of an attempt
  void attempt_failed(const Target& t, const AttemptFailed& event);
  void alternative_failed(const Target& t, StepStatus end);
  void pause(const Target& t);
  void resume(const Target& t);
  void succeed(const Target& t, json::Value output);
  void end(const Target& t, StepStatus end, std::string why = {});
  void item_ended(const Target& t);
  void end_items(uint32_t step, StepStatus end, const std::string& why);
  void end_everything(RunStatus run, const Failure& failure);
  void step_deadline(const Target& t);
  void conclude_run();
  std::shared_ptr<const Failure> failure_at(const Target& t, const Failure& failure) const;

  const Planner& planner_;
  const Workflow& workflow_;
  State& state_;
  const int64_t now_us_;
  Decision decision_;
  std::vector<uint32_t> ended_;  // steps whose successors have not heard yet
};

}  // namespace weft::workflow
