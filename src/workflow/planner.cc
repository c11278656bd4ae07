// SPDX-License-Identifier: Apache-2.0
#include "workflow/planner.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "workflow/machine.h"

namespace weft::workflow {

Planner::Planner(std::shared_ptr<const Workflow> workflow)
    : workflow_(std::move(workflow)), graph_(workflow_->steps) {
  CHECK(!workflow_->steps.empty(), "a workflow has at least one step");
  CHECK(graph_.size() == workflow_->steps.size());
  index_.reserve(workflow_->steps.size());
  for (uint32_t i = 0; i < workflow_->steps.size(); ++i) {
    const bool fresh = index_.emplace(workflow_->steps[i].id, i).second;
    CHECK(fresh, "two steps '{}'", workflow_->steps[i].id);
  }
}

Result<Decision> Planner::apply(State& state, const Event& event) const {
  if (event.at_us < state.now_us) {
    return make_error("E0430",
                      fmt::format("{} at {} us: the event before it was at {} us", kind(event),
                                  event.at_us, state.now_us),
                      "events of a run carry the time of the store, which does not go back");
  }
  CHECK(state.steps.empty() || state.steps.size() == workflow_->steps.size(), "another workflow");
  Machine machine(*this, state, event.at_us);
  Status done = std::visit([&](const auto& body) { return machine.on(body); }, event.body);
  if (!done.ok()) return in_context(std::move(done).error(), kind(event));
  Decision decision = machine.finish();
  state.now_us = event.at_us;
  ++state.sequence;
  CHECK(!state.run.empty(), "an event was applied to no run");
  CHECK(!decision.stale || decision.commands.empty(), "what came too late changes nothing");
  return decision;
}

std::optional<ExecutionId> Planner::find(std::string_view path) const {
  ExecutionId id;
  const size_t bracket = path.find('[');
  if (bracket != std::string_view::npos) {
    // Exactly what path() writes: no signs, no leading zeros.
    const auto digits = path.substr(bracket + 1);
    if (digits.size() < 2 || digits.back() != ']') return std::nullopt;
    const char* end = digits.data() + digits.size() - 1;
    const auto [next, error] = std::from_chars(digits.data(), end, id.item);
    if (error != std::errc() || next != end || id.item < 0) return std::nullopt;
    if (digits[0] == '-' || (digits[0] == '0' && digits.size() > 2)) return std::nullopt;
  }
  const auto found = index_.find(path.substr(0, bracket));
  if (found == index_.end()) return std::nullopt;
  id.step = found->second;
  CHECK(id.step < workflow_->steps.size());
  CHECK(id.item >= -1);
  return id;
}

std::string Planner::path(ExecutionId id) const {
  CHECK(id.step < workflow_->steps.size());
  CHECK(id.item >= -1, "item {}", id.item);
  const std::string& step = workflow_->steps[id.step].id;
  return id.item < 0 ? step : fmt::format("{}[{}]", step, id.item);
}

const Step& Planner::step(std::string_view path, uint16_t alternative) const {
  const auto id = find(path);
  CHECK(id.has_value(), "'{}' is no path of this workflow", path);
  const Step& step = workflow_->steps[id->step];
  CHECK(alternative <= step.fallback().size());
  return alternative == 0 ? step : step.fallback()[alternative - 1];
}

const Execution* find_execution(const State& state, ExecutionId id) {
  CHECK(id.item >= -1, "item {}", id.item);
  if (id.step >= state.steps.size()) return nullptr;
  const StepState& step = state.steps[id.step];
  if (id.item < 0) return &step.execution;
  if (id.item >= static_cast<int64_t>(step.item_executions.size())) return nullptr;
  return &step.item_executions[static_cast<size_t>(id.item)];
}

namespace {

// What an execution still has under way, as it was ordered when its phase began.
class Outstanding {
 public:
  explicit Outstanding(const Planner& planner) : planner_(planner) {}

  void add(ExecutionId id, const Execution& e) {
    if (e.phase == Phase::kEnded || e.phase == Phase::kIdle) return;
    const std::string path = planner_.path(id);
    CHECK(!terminal(e.end), "{} goes on after its end", path);
    CHECK(e.phase != Phase::kRetrying || e.wake_us > 0, "{} retries at no time", path);
    if (e.deadline_us != 0 && e.paused_us == 0) {
      timer(TimerKind::kStepDeadline, path, e.deadline_us);
    }
    if (e.attempt_deadline_us != 0 && e.paused_us == 0) {
      timer(TimerKind::kAttemptDeadline, path, e.attempt_deadline_us);
    }
    if (e.phase == Phase::kRetrying) timer(TimerKind::kRetry, path, e.wake_us);
    if (e.phase == Phase::kSuspended && e.wake_us != 0 && e.woken == Wake::kNo) {
      timer(TimerKind::kWake, path, e.wake_us);
    }
    const bool resume = e.phase == Phase::kSuspended && e.woken != Wake::kNo;
    if (e.phase != Phase::kDeciding && e.phase != Phase::kStarting && !resume) return;
    Command c;
    c.kind = resume                         ? Command::Kind::kResume
             : e.phase == Phase::kDeciding ? Command::Kind::kDecide
                                            : Command::Kind::kStart;
    c.wake = e.woken;
    c.alternative = e.alternative;
    c.attempt = e.attempt;
    c.height = planner_.graph().height(id.step);
    c.path = path;
    commands.push_back(std::move(c));
  }

  void timer(TimerKind kind, const std::string& path, int64_t at_us) {
    CHECK(at_us > 0, "a timer of {} at {}", path, at_us);
    CHECK(path.empty() == (kind == TimerKind::kRunDeadline), "whose timer?");
    Command c;
    c.kind = Command::Kind::kTimer;
    c.timer = kind;
    c.at_us = at_us;
    c.path = path;
    commands.push_back(std::move(c));
  }

  std::vector<Command> commands;

 private:
  const Planner& planner_;
};

}  // namespace

std::vector<Command> Planner::outstanding(const State& state) const {
  if (state.run.empty() || state.status == RunStatus::kQueued || terminal(state.status)) return {};
  CHECK(state.steps.size() == workflow_->steps.size());
  Outstanding list(*this);
  if (state.deadline_us != 0 && state.paused_us == 0) {
    list.timer(TimerKind::kRunDeadline, "", state.deadline_us);
  }
  for (uint32_t i = 0; i < state.steps.size(); ++i) {
    list.add({i}, state.steps[i].execution);
    const auto& items = state.steps[i].item_executions;
    for (size_t item = 0; item < items.size(); ++item) {
      list.add({i, static_cast<int64_t>(item)}, items[item]);
    }
  }
  if (state.unfinished == 0) {
    Command c;
    c.kind = Command::Kind::kFinish;
    c.run_status = RunStatus::kSucceeded;
    list.commands.push_back(std::move(c));
  }
  return std::move(list.commands);
}

}  // namespace weft::workflow
