// SPDX-License-Identifier: Apache-2.0
//
// Continuing a run that another process began: fold its events, say what became of the attempts
// that were cut off, and carry out what the planner says is outstanding. From there on it is a run
// like any other.
#include "base/strings.h"
#include "obs/log.h"
#include "worker/executor.h"
#include "worker/folded_run.h"

namespace weft::worker {

using workflow::Phase;

namespace {

// Effects of the run whose intent is on disk and whose fate is not.
const EffectRow* open_effect(const StoredRun& stored, const std::string& path, uint32_t attempt) {
  for (const EffectRow& effect : stored.effects) {
    if (effect.path == path && effect.attempt == attempt && effect.state == "intent") {
      return &effect;
    }
  }
  return nullptr;
}

// Whom it would have reached is not known here; its parameters are, by their hash.
ActRow cut_off_act(const ActiveRun& run, std::string_view path, const EffectRow& effect) {
  const auto id = run.planner.find(path);
  const workflow::Execution* execution = id ? workflow::find_execution(run.state, *id) : nullptr;
  CHECK(execution != nullptr, "{} of run {}", path, run.id);
  CHECK(execution->attempt == effect.attempt, "{} of {} is another attempt", path, run.id);
  return {.type = run.planner.step(path, execution->alternative).type,
          .arguments_hash = effect.req_hash,
          .outcome = "unknown",
          .code = "E0606"};
}

}  // namespace

Status Executor::adopt(const StoredRun& stored) {
  const std::string& id = stored.summary.id;
  CHECK(find(id) == nullptr, "run {} is active here already", id);
  CHECK(!stopping_, "a run is taken over by a process that ends");
  FoldOptions known;
  if (const auto at = planners_.find(stored.definition_hash); at != planners_.end()) {
    known.planner = at->second.lock();  // ten thousand runs of one definition: it is read once
  }
  FoldedRun folded = TRY(fold_run(stored, known));
  TRY(check_step_types(*folded.workflow));
  auto owned = std::make_unique<ActiveRun>(id, planner_of(folded.workflow));
  ActiveRun& run = *owned;
  run.age = ++newest_;
  run.state = std::move(folded.state);
  run.context = std::move(folded.context);
  run.output_seq = std::move(folded.output_seq);
  if (!stored.definitions.empty()) {
    run.definitions = std::make_shared<const Definitions>(TRY(pinned_definitions(stored)));
  }
  note_actions(run);
  note_partials(run, stored);
  if (!stored.timers.empty()) run.rows().timers = stored.timers;
  run.next_seq = static_cast<int64_t>(stored.events.size()) + 1;
  CHECK(run.state.sequence == stored.events.size(), "events of {} were left out", id);
  if (terminal(run.state.status)) {
    return make_error("E0604", fmt::format("run {} has ended in its events, but not in its row",
                                           quoted(id)));
  }
  runs_.emplace(std::string_view(run.id), std::move(owned));
  if (observer_) observer_({.kind = Notice::Kind::kClaimed, .run = id});
  interrupt_running(run, stored);
  CHECK(run.running.empty(), "what was cut off runs here");
  run.todo.clear();  // what they ordered is outstanding as well
  if (run.state.status == workflow::RunStatus::kQueued) {
    apply(run, workflow::RunStarted{});
  } else {
    for (workflow::Command& command : run.planner.outstanding(run.state)) {
      run.todo.push_back(std::move(command));
    }
  }
  drive(run);
  return ok_status();
}

// Harmless attempts become ready again; an unsafe one whose fate is not known says so.
void Executor::interrupt_running(ActiveRun& run, const StoredRun& stored) {
  std::vector<std::pair<std::string, uint32_t>> cut_off;
  for (uint32_t step = 0; step < run.state.steps.size(); ++step) {
    const workflow::StepState& state = run.state.steps[step];
    CHECK(!in_attempt(state.execution) || state.execution.attempt > 0, "step {}", step);
    if (state.execution.phase == Phase::kRunning) {
      cut_off.emplace_back(run.planner.path({step}), state.execution.attempt);
    }
    for (size_t item = 0; item < state.item_executions.size(); ++item) {
      const workflow::Execution& execution = state.item_executions[item];
      if (execution.phase != Phase::kRunning) continue;
      cut_off.emplace_back(run.planner.path({step, static_cast<int64_t>(item)}),
                           execution.attempt);
    }
  }
  for (auto& [path, attempt] : cut_off) {
    CHECK(attempt > 0, "{} runs without an attempt", path);
    if (terminal(run.state.status)) break;  // by the one before
    const EffectRow* effect = open_effect(stored, path, attempt);
    if (effect == nullptr) {
      apply(run, workflow::AttemptInterrupted{path, attempt});
      continue;
    }
    add_acts(run, {.path = path, .attempt = attempt}, {cut_off_act(run, path, *effect)});
    workflow::AttemptUnknown unknown{path, attempt, {}};
    unknown.failure.code = "E0606";
    unknown.failure.message = "its process ended between the intent and the result of the effect";
    unknown.failure.hint =
        fmt::format("look whether it happened, then: weft runs resolve {} {} retry|fail|succeed",
                    run.id, path);
    apply(run, std::move(unknown));
  }
}

}  // namespace weft::worker
