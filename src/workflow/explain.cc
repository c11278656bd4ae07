// SPDX-License-Identifier: Apache-2.0
#include "workflow/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "base/error.h"

#include "workflow/join.h"
#include "workflow/schedule.h"

namespace weft::workflow {
namespace {

constexpr size_t kNamesMax = 8;

// "a, b and 3 more".
std::string listed(const std::vector<std::string>& names) {
  const size_t shown = std::min(names.size(), kNamesMax);
  std::string out = join(std::span(names).first(shown), ", ");
  if (names.size() > shown) out += fmt::format(" and {} more", names.size() - shown);
  return out;
}

std::string in_future(int64_t at_us, int64_t now_us) {
  return at_us <= now_us ? "now" : "in " + duration_text(at_us - now_us);
}

class Explanation {
 public:
  Explanation(const Planner& planner, const State& state, ExecutionId id)
      : planner_(planner),
        state_(state),
        id_(id),
        step_(planner.workflow().steps[id.step]),
        own_(state.steps[id.step]),
        e_(*find_execution(state, id)) {}

  std::vector<std::string> tell() {
    verdict();
    if (id_.item < 0) {
      predecessors();
      condition();
      loop();
    } else {
      say("It is item {} of {} of the loop '{}'.", id_.item, own_.items.size(), step_.id);
    }
    attempts();
    clock();
    return std::move(lines_);
  }

 private:
  template <class... Args>
  void say(fmt::format_string<Args...> format, Args&&... args) {
    lines_.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  void verdict() {
    const std::string path = planner_.path(id_);
    const StepStatus now = status(e_);
    std::string line = fmt::format("'{}' is {}", path, name(now));
    if (terminal(now) && e_.started_us != 0) {
      line += fmt::format(", {} after it started", duration_text(e_.ended_us - e_.started_us));
    }
    say("{}.", line);
    if (e_.phase == Phase::kSuspended) say("It waits for: {}.", awaited());
    if (e_.phase == Phase::kSuspended && e_.wake_us != 0) {
      say("It goes on {}.", in_future(e_.wake_us, state_.now_us));
    }
    if (e_.phase == Phase::kRetrying) {
      say("It waits for its next attempt, {}.", in_future(e_.wake_us, state_.now_us));
    }
    if (e_.phase == Phase::kUnknown) {
      say("Its effect was cut off and nobody knows whether it happened: a person must say whether "
          "to retry it, to fail it, or what its result is.");
    }
    if (e_.phase == Phase::kStarting) say("It waits for a worker to take it.");
    if (e_.failure != nullptr) failure();
  }

  // A person (and of which role), a signal (and which), …
  std::string awaited() const {
    std::string line(name(e_.reason));
    if (e_.waiting == nullptr) return line;
    const json::Object* ask = e_.waiting->ask.if_object();
    const json::Value* role = ask != nullptr ? ask->if_contains("role") : nullptr;
    if (e_.reason == WaitReason::kPerson && role != nullptr && role->is_string()) {
      line += fmt::format(" of role '{}'", std::string_view(role->get_string()));
      if (ask->contains("escalated")) line += ", to whom it was passed on";
    }
    if (!e_.waiting->name.empty()) line += fmt::format(" '{}'", e_.waiting->name);
    if (!e_.waiting->answer.is_null()) line += "; the answer is there and will be taken";
    return line;
  }

  void failure() {
    const Failure& f = *e_.failure;
    const std::string path = planner_.path(id_);
    if (!f.step.empty() && f.step != path) {
      say("The failure began in '{}': {} {}", f.step, f.code, f.message);
    } else {
      say("{}: {} {}", e_.phase == Phase::kEnded ? "Failure" : "Last failure", f.code, f.message);
    }
    if (!f.hint.empty()) say("Hint: {}.", f.hint);
    if (e_.tolerated) say("on_error is continue: what follows sees it as skipped, with null.");
  }

  void predecessors() {
    if (step_.dependencies.empty()) return say("It depends on nothing and was ready at once.");
    std::vector<std::string> ok, skipped, failed, cancelled, open;
    for (const uint32_t d : step_.dependencies) {
      const Execution& p = state_.steps[d].execution;
      const std::string& id = planner_.workflow().steps[d].id;
      if (p.phase != Phase::kEnded) {
        open.push_back(fmt::format("{} ({})", id, name(status(p))));
      } else if (p.end == StepStatus::kSucceeded) {
        ok.push_back(id);
      } else if (p.end == StepStatus::kSkipped || p.tolerated) {
        skipped.push_back(id);
      } else if (p.end == StepStatus::kCancelled) {
        cancelled.push_back(id);
      } else {
        failed.push_back(id);
      }
    }
    if (!ok.empty()) say("Succeeded before it: {}.", listed(ok));
    if (!skipped.empty()) say("Counting as skipped: {}.", listed(skipped));
    if (!failed.empty()) say("Failed: {}.", listed(failed));
    if (!cancelled.empty()) say("Cancelled: {}.", listed(cancelled));
    if (!open.empty()) say("Not ended yet: {}.", listed(open));
    const Arrivals arrivals{own_.ok, own_.skipped, own_.failed, own_.cancelled};
    const auto n = static_cast<uint32_t>(step_.dependencies.size());
    switch (judge(step_.join, arrivals, n)) {
      case Verdict::kWait:
        return say("Its join {} waits for {} of {}.", name(step_.join), n - arrivals.total(), n);
      case Verdict::kRun:
        return say("Its join {} said: run.", name(step_.join));
      case Verdict::kFail:
        return say("Its join {} said: fail, without an attempt.", name(step_.join));
      case Verdict::kCancel:
        return say("Its join {} said: cancel, without an attempt.", name(step_.join));
    }
  }

  void condition() {
    if (step_.when().empty() || e_.phase == Phase::kIdle) return;
    if (e_.phase == Phase::kDeciding) return say("Its condition is being evaluated.");
    if (e_.end == StepStatus::kSkipped) return say("Its condition is false: {}", step_.when());
    if (e_.attempt > 0 || !own_.item_executions.empty()) {
      say("Its condition is true: {}", step_.when());
    }
  }

  void loop() {
    if (own_.item_executions.empty()) return;
    size_t succeeded = 0, open = 0;
    for (const Execution& item : own_.item_executions) {
      succeeded += item.phase == Phase::kEnded && item.end == StepStatus::kSucceeded ? 1 : 0;
      open += item.phase != Phase::kEnded ? 1 : 0;
    }
    say("Of its {} items {} succeeded, {} have not ended; at most {} run at a time.",
        own_.items.size(), succeeded, open,
        step_.concurrency == 0 ? "all" : std::to_string(step_.concurrency));
  }

  void attempts() {
    if (e_.attempt == 0) return;
    const Step& runs = planner_.step(planner_.path(id_), e_.alternative);
    say("Attempt {}; {} of at most {} failed{}.", e_.attempt, e_.failures, runs.retry().attempts,
        e_.alternative == 0 ? "" : fmt::format(" of fallback '{}'", runs.id));
  }

  void clock() {
    if (e_.phase == Phase::kEnded || e_.phase == Phase::kIdle) return;
    if (e_.paused_us != 0) return say("Its clock stands still while it waits.");
    if (e_.deadline_us != 0) say("It times out {}.", in_future(e_.deadline_us, state_.now_us));
  }

  const Planner& planner_;
  const State& state_;
  const ExecutionId id_;
  const Step& step_;
  const StepState& own_;
  const Execution& e_;
  std::vector<std::string> lines_;
};

}  // namespace

std::vector<std::string> explain(const Planner& planner, const State& state,
                                 std::string_view path) {
  const auto id = planner.find(path);
  CHECK(id.has_value() && find_execution(state, *id) != nullptr, "no execution '{}'", path);
  return Explanation(planner, state, *id).tell();
}

std::vector<std::string> explain_run(const Planner& planner, const State& state) {
  std::vector<std::string> lines;
  lines.push_back(fmt::format("The run is {}.", name(state.status)));
  if (state.failure != nullptr) {
    const Failure& f = *state.failure;
    lines.push_back(f.step.empty() ? fmt::format("{}: {}", f.code, f.message)
                                   : fmt::format("It failed in '{}': {} {}", f.step, f.code,
                                                 f.message));
  }
  std::vector<std::string> open;
  for (size_t i = 0; i < state.steps.size(); ++i) {
    const Execution& e = state.steps[i].execution;
    if (e.phase == Phase::kEnded || e.phase == Phase::kIdle) continue;
    open.push_back(fmt::format("{} ({})", planner.workflow().steps[i].id, name(status(e))));
  }
  if (!open.empty()) lines.push_back(fmt::format("Under way: {}.", listed(open)));
  if (state.paused_us != 0) lines.emplace_back("Its clock stands still: only people, signals or "
                                               "time are waited for.");
  return lines;
}

}  // namespace weft::workflow
