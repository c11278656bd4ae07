// SPDX-License-Identifier: Apache-2.0
#include "workflow/state.h"

#include <utility>

#include "base/error.h"

namespace weft::workflow {
namespace {

constexpr std::string_view kStepStatus[] = {"pending",   "ready",  "running", "waiting",
                                            "unknown",   "succeeded", "failed",  "skipped",
                                            "cancelled", "timed_out"};
constexpr std::string_view kRunStatus[] = {"queued", "running",   "waiting",  "succeeded",
                                           "failed", "cancelled", "timed_out"};
constexpr std::string_view kPhase[] = {"idle",     "deciding",  "starting", "running", "looping",
                                       "retrying", "suspended", "unknown",  "ended"};

constexpr std::string_view kWake[] = {"no", "time", "limit", "answer"};

// Members that are as they began are left out, so that the text of a state stays short.
template <class T>
void put(json::Object& object, std::string_view key, const T& value, const T& usual) {
  if (value != usual) object.emplace(key, value);
}

}  // namespace

std::string_view name(StepStatus status) { return kStepStatus[static_cast<size_t>(status)]; }
std::string_view name(RunStatus status) { return kRunStatus[static_cast<size_t>(status)]; }

StepStatus status(const Execution& execution) {
  switch (execution.phase) {
    case Phase::kIdle:
      return StepStatus::kPending;
    case Phase::kDeciding:
    case Phase::kStarting:
      return StepStatus::kReady;
    case Phase::kRunning:
    case Phase::kLooping:
      return StepStatus::kRunning;
    case Phase::kRetrying:
    case Phase::kSuspended:
      return StepStatus::kWaiting;
    case Phase::kUnknown:
      return StepStatus::kUnknown;
    case Phase::kEnded:
      return execution.end;
  }
  CHECK(false);
}

bool in_attempt(const Execution& execution) {
  return execution.phase == Phase::kStarting || execution.phase == Phase::kRunning ||
         execution.phase == Phase::kSuspended;
}

json::Value to_json(const Execution& e) {
  json::Object object;
  object.emplace("status", name(status(e)));
  if (e.phase != Phase::kEnded) object.emplace("phase", kPhase[static_cast<size_t>(e.phase)]);
  if (e.reason != WaitReason::kNone) object.emplace("reason", name(e.reason));
  put(object, "tolerated", e.tolerated, false);
  put(object, "alternative", int64_t{e.alternative}, int64_t{0});
  put(object, "attempt", int64_t{e.attempt}, int64_t{0});
  put(object, "failures", int64_t{e.failures}, int64_t{0});
  put(object, "started_us", e.started_us, int64_t{0});
  put(object, "ended_us", e.ended_us, int64_t{0});
  put(object, "deadline_us", e.deadline_us, int64_t{0});
  put(object, "attempt_deadline_us", e.attempt_deadline_us, int64_t{0});
  put(object, "wake_us", e.wake_us, int64_t{0});
  if (e.woken != Wake::kNo) object.emplace("woken", kWake[static_cast<size_t>(e.woken)]);
  if (e.waiting != nullptr) {
    json::Object waiting;
    put(waiting, "name", e.waiting->name, std::string());
    if (!e.waiting->ask.is_null()) waiting.emplace("ask", e.waiting->ask);
    if (!e.waiting->answer.is_null()) waiting.emplace("answer", e.waiting->answer);
    object.emplace("waiting", std::move(waiting));
  }
  put(object, "paused_us", e.paused_us, int64_t{0});
  if (e.notes != nullptr) object.emplace("notes", *e.notes);
  if (!e.output.is_null()) object.emplace("output", e.output);
  if (e.failure) object.emplace("failure", to_json(*e.failure));
  return object;
}

json::Value to_json(const StepState& step) {
  json::Value value = to_json(step.execution);
  json::Object& object = value.get_object();
  put(object, "ok", int64_t{step.ok}, int64_t{0});
  put(object, "skipped", int64_t{step.skipped}, int64_t{0});
  put(object, "failed", int64_t{step.failed}, int64_t{0});
  put(object, "cancelled", int64_t{step.cancelled}, int64_t{0});
  if (step.first_failed != UINT32_MAX) object.emplace("first_failed", step.first_failed);
  put(object, "ended_sequence", step.ended_sequence, uint64_t{0});
  put(object, "begun_sequence", step.begun_sequence, uint64_t{0});
  if (step.item_executions.empty()) return value;
  object.emplace("items", step.items);
  object.emplace("items_started", step.items_started);
  object.emplace("items_ended", step.items_ended);
  object.emplace("items_busy", step.items_busy);
  object.emplace("items_suspended", step.items_suspended);
  json::Array executions;
  for (const Execution& e : step.item_executions) executions.push_back(to_json(e));
  object.emplace("executions", std::move(executions));
  return value;
}

json::Value to_json(const State& state, const Workflow& workflow) {
  CHECK(state.steps.empty() || state.steps.size() == workflow.steps.size());
  json::Object object;
  object.emplace("run", state.run);
  object.emplace("definition", state.run.empty() ? std::string() : workflow.hash);
  object.emplace("status", name(state.status));
  object.emplace("input", state.input);
  object.emplace("env", state.env);
  object.emplace("priority", state.priority);
  object.emplace("seed", state.seed);
  put(object, "parent", state.parent, std::string());
  put(object, "parent_path", state.parent_path, std::string());
  put(object, "origin", state.origin, std::string());
  put(object, "effects_of", effect_run(state), state.run);
  put(object, "rules", state.rules, uint32_t{0});
  put(object, "timeout_us", state.timeout_us, int64_t{0});
  put(object, "accepted_us", state.accepted_us, int64_t{0});
  put(object, "started_us", state.started_us, int64_t{0});
  put(object, "ended_us", state.ended_us, int64_t{0});
  put(object, "deadline_us", state.deadline_us, int64_t{0});
  put(object, "paused_us", state.paused_us, int64_t{0});
  object.emplace("now_us", state.now_us);
  object.emplace("sequence", state.sequence);
  object.emplace("unfinished", state.unfinished);
  object.emplace("busy", state.busy);
  object.emplace("suspended", state.suspended);
  if (!state.output.is_null()) object.emplace("output", state.output);
  if (state.failure) object.emplace("failure", to_json(*state.failure));
  if (!state.listeners.empty()) {
    json::Array listeners;
    for (const ExecutionId& id : state.listeners) {
      listeners.push_back(json::Array{int64_t{id.step}, id.item});
    }
    object.emplace("listeners", std::move(listeners));
  }
  if (!state.signals.empty()) {
    json::Array signals;
    for (const SignalReceived& s : state.signals) {
      signals.push_back(json::Object{{"name", s.name}, {"payload", s.payload}, {"by", s.by}});
    }
    object.emplace("signals", std::move(signals));
  }
  json::Object steps;
  for (size_t i = 0; i < state.steps.size(); ++i) {
    steps.emplace(workflow.steps[i].id, to_json(state.steps[i]));
  }
  object.emplace("steps", std::move(steps));
  return object;
}

}  // namespace weft::workflow
