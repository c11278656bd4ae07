// SPDX-License-Identifier: Apache-2.0
//
// Between a run and the rest of the world while it runs: messages from its inbox become events,
// what it asks of people becomes rows, sub-workflows are started, told to end and listened to.
// Whatever crosses from one run to another goes through the inbox, whichever process owns them.
#include <algorithm>

#include "base/digest.h"
#include "base/strings.h"
#include "obs/log.h"
#include "worker/executor.h"

namespace weft::worker {

using workflow::Execution;
using workflow::Phase;
using workflow::WaitReason;

namespace {

constexpr std::string_view kApplied = "applied";
constexpr std::string_view kTooLate = "too late";
constexpr std::string_view kRefused = "refused";

// A run that calls itself must end before it fills the store.
constexpr int64_t kDepthMax = 16;

// What an execution asks of people, in the words of required_action; empty: nothing.
std::string_view action_kind(const Execution& execution) {
  if (execution.phase == Phase::kUnknown) return "resolve";
  if (execution.phase != Phase::kSuspended) return "";
  if (execution.reason == WaitReason::kPerson) return "approval";
  return execution.reason == WaitReason::kSignal ? "signal" : "";
}

// When the waiting ends by itself; 0: never. A clock that stands still meanwhile ends nothing.
int64_t waits_until(const Execution& execution) {
  const int64_t limit = execution.paused_us == 0 ? execution.deadline_us : 0;
  const int64_t wake = execution.wake_us;
  return limit == 0 || wake == 0 ? std::max(limit, wake) : std::min(limit, wake);
}

// Events that may come from outside; all others are for the owner of the run alone.
bool from_outside(const workflow::EventBody& body) {
  return std::holds_alternative<workflow::CancelRequested>(body) ||
         std::holds_alternative<workflow::SignalReceived>(body) ||
         std::holds_alternative<workflow::ApprovalDecided>(body) ||
         std::holds_alternative<workflow::UnknownResolved>(body) ||
         std::holds_alternative<workflow::ChildEnded>(body);
}

uint64_t child_seed(const workflow::State& state, std::string_view path, uint32_t failures) {
  const Sha256 digest = sha256(fmt::format("{}\n{}\n{}\nchild", state.seed, path, failures));
  uint64_t seed = 0;
  for (size_t i = 0; i < 8; ++i) seed = seed << 8 | digest[i];
  return seed >> 1;
}

}  // namespace

void Executor::take_message(const MessageRow& message) {
  ActiveRun* run = find(message.run);
  if (run == nullptr || stopping_) return;  // given back meanwhile: its next owner will hear it
  CHECK(!run->driving, "messages come between turns");
  std::string outcome = hear(*run, message);
  CHECK(!outcome.empty(), "message {} came to nothing", message.id);
  run->turn().change.taken.push_back({message.id, std::move(outcome)});
  drive(*run);
}

// The journal keeps what came too late, too: it says who tried.
std::string Executor::hear(ActiveRun& run, const MessageRow& message) {
  auto value = json::parse(message.body);
  auto event = value.ok() ? workflow::event_from_json(*value)
                          : Result<workflow::Event>(value.error());
  if (!event.ok() || !from_outside(event->body)) {
    obs::log(obs::Level::kWarning, "executor", "message {} to run {} is no event that may come "
             "from outside", message.id, run.id);
    return std::string(kRefused);
  }
  const std::string path(workflow::path(*event));
  if (!path.empty()) {
    const auto id = run.planner.find(path);
    const Execution* execution = id ? workflow::find_execution(run.state, *id) : nullptr;
    if (execution == nullptr) return std::string(kRefused);
  }
  return std::string(apply(run, std::move(event->body)) ? kApplied : kTooLate);
}

void Executor::fill_action(ActiveRun& run, const std::string& path, const Execution& execution,
                           Change& change) {
  const std::string_view kind = action_kind(execution);
  CHECK(!path.empty() && change.run == run.id, "an action of nobody");
  if (kind.empty()) {
    const bool had = run.own_rows != nullptr && run.rows().actions.erase(path) > 0;
    if (had) change.actions.push_back({.path = path});
    return;
  }
  ActionRow row{.path = path, .kind = std::string(kind), .since_us = run.state.now_us};
  json::Object body;
  if (execution.waiting != nullptr && execution.waiting->ask.is_object()) {
    body = execution.waiting->ask.get_object();
  }
  if (kind == "signal" && execution.waiting != nullptr) body["name"] = execution.waiting->name;
  if (kind == "resolve") body["failure"] = workflow::to_json(*execution.failure);
  row.body = json::dump(json::Value(std::move(body)));
  row.deadline_us = waits_until(execution);
  run.rows().actions.insert(path);
  change.actions.push_back(std::move(row));
}

// The rows that a run taken over has.
void Executor::note_actions(ActiveRun& run) {
  CHECK(run.own_rows == nullptr, "actions of {} are noted once", run.id);
  for (uint32_t step = 0; step < run.state.steps.size(); ++step) {
    const workflow::StepState& state = run.state.steps[step];
    if (!action_kind(state.execution).empty()) run.rows().actions.insert(run.planner.path({step}));
    for (size_t item = 0; item < state.item_executions.size(); ++item) {
      if (action_kind(state.item_executions[item]).empty()) continue;
      run.rows().actions.insert(run.planner.path({step, static_cast<int64_t>(item)}));
    }
  }
}

// ---- sub-workflows ---------------------------------------------------------------------------

// The child run and the parent's waiting for it are one transaction: neither exists alone.
void Executor::start_child(ActiveRun& run, const Running& running, StepChild child) {
  const Execution* execution =
      workflow::find_execution(run.state, *run.planner.find(running.path));
  CHECK(execution != nullptr && child.workflow != nullptr, "{} of {}", running.path, run.id);
  const json::Value* nested = run.context.if_contains("depth");
  const int64_t depth = nested != nullptr && nested->is_int64() ? nested->as_int64() : 0;
  if (depth >= kDepthMax) {
    workflow::AttemptFailed failed{running.path, running.attempt, {}, false, 0};
    failed.failure.code = "E0616";
    failed.failure.message = fmt::format("workflows call each other {} levels deep", depth);
    failed.failure.hint = "does one of them call itself without end?";
    apply(run, std::move(failed));
    return;
  }
  NewRun request;
  request.workflow = std::move(child.workflow);
  request.input = std::move(child.input);
  request.env = run.state.env;
  request.context = run.context;
  request.context["depth"] = depth + 1;
  if (running.type->name() == "plan") request.context["proposed"] = true;
  if (run.definitions != nullptr) request.definitions = *run.definitions;
  const workflow::Step& step = run.planner.step(running.path, running.alternative);
  request.priority = run.state.priority + step.priority;
  request.seed = child_seed(run.state, running.path, execution->failures);
  request.parent = run.id;
  request.parent_path = running.path;
  int64_t deadline = run.state.deadline_us;
  const int64_t own = execution->deadline_us != 0 || step.timeout_us == 0
                          ? execution->deadline_us
                          : run.state.now_us + step.timeout_us;
  if (own != 0 && (deadline == 0 || own < deadline)) deadline = own;
  if (deadline != 0) {
    request.timeout_us_max = std::max<int64_t>(1, deadline - run.state.now_us);
  }
  ActiveRun& started = accept(std::move(request));
  apply(run, workflow::AttemptWaiting{running.path, running.attempt, WaitReason::kChildRun, 0,
                                      started.id, {}});
  fill_rows(started, started.turn().change);
  run.turn().change.children.push_back(std::exchange(started.turn().change, Change()));
  // Its own turn comes when the parent's, which writes it, is handed over.
  services_.loop.post([weak = weak_from_this(), id = started.id] {
    const auto self = weak.lock();
    ActiveRun* child_run = self != nullptr ? self->find(id) : nullptr;
    if (child_run == nullptr || self->stopping_) return;
    if (child_run->state.status == workflow::RunStatus::kQueued) {
      self->apply(*child_run, workflow::RunStarted{});
    }
    self->drive(*child_run);
  });
}

void Executor::tell_parent(const ActiveRun& run, Change& change) {
  workflow::ChildEnded ended;
  ended.path = run.state.parent_path;
  ended.run = run.id;
  ended.status = workflow::name(run.state.status);
  ended.output = run.state.output;
  if (run.state.failure) ended.failure = *run.state.failure;
  change.messages.push_back({.id = "end of " + run.id,
                             .run = run.state.parent,
                             .body = workflow::to_text({run.state.now_us, std::move(ended)})});
}

void Executor::stop_child(ActiveRun& run, const std::string& child) {
  workflow::CancelRequested cancel{"run " + run.id, "nothing waits for it any more"};
  run.turn().change.messages.push_back({.id = "stop of " + child,
                                 .run = child,
                                 .body = workflow::to_text({run.state.now_us, cancel})});
}

}  // namespace weft::worker
