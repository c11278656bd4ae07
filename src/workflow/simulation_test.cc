// SPDX-License-Identifier: Apache-2.0
//
// Runs drawn from a seed: random graphs, joins, conditions, loops, fallbacks, retries and
// timeouts; an executor that answers, fails, waits, crashes and repeats itself in random order,
// with timers that come late or twice. After every event the invariants hold; at the end the run
// has ended and the fold of its journal is the same text. A failure prints the seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "workflow/planner_test.h"
#include "workflow/render.h"

namespace weft::workflow {
namespace {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {  // splitmix64
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  uint32_t below(uint32_t n) { return static_cast<uint32_t>(next() % n); }
  bool chance(uint32_t percent) { return below(100) < percent; }

 private:
  uint64_t state_;
};

Step random_step(Random& random, uint32_t index) {
  Step step = make_step("s" + std::to_string(index));
  for (uint32_t d = 0; d < index; ++d) {
    if (random.chance(index < 4 ? 40 : 120 / index)) step.dependencies.push_back(d);
  }
  step.join = static_cast<Join>(random.below(4));
  for (const uint32_t d : step.dependencies) {  // it looks at what they left
    const std::string id = "s" + std::to_string(d);
    step.parameters.as_object()[id] = "{{ steps." + id + " }}";
  }
  step.on_error = random.chance(20) ? OnError::kContinue : OnError::kFail;
  step.on_unknown = static_cast<OnUnknown>(random.below(3));
  if (random.chance(25)) step.edit().when = "{{ input.x }}";
  if (random.chance(20)) {
    step.edit().for_each = "{{ input.list }}";
    step.concurrency = random.below(4);
  }
  step.edit().retry.attempts = 1 + random.below(3);
  step.edit().retry.initial_us = 1 + random.below(3'000'000);
  step.edit().retry.attempt_timeout_us = random.chance(30) ? 1 + random.below(4'000'000) : 0;
  step.timeout_us = random.chance(20) ? 0 : 1 + random.below(20'000'000);
  if (random.chance(10)) step.type = random.chance(50) ? "wait" : "approval";
  for (uint32_t f = 0; random.chance(25) && f < 2; ++f) {
    step.edit().fallback.push_back(make_step(step.id + "_f" + std::to_string(f)));
    if (random.chance(50)) step.edit().fallback.back().edit().when = "{{ input.x }}";
    step.edit().fallback.back().timeout_us = 1 + random.below(20'000'000);
  }
  return step;
}

class Simulation {
 public:
  explicit Simulation(uint64_t seed) : random_(seed), run_(steps(), timeout()) {
    for (const Command& c : run_.commands) take(c);
  }

  void run_to_the_end() {
    for (int i = 0; !terminal(run_.state.status); ++i) {
      ASSERT_LT(i, 20'000) << "the run hangs";
      ASSERT_TRUE(one_event()) << "nothing can happen and the run has not ended";
      ASSERT_NO_FATAL_FAILURE(check_invariants());
    }
    EXPECT_LE(finishes_, 1) << "the end is announced once";
    EXPECT_EQ(run_.text(run_.state), run_.text(run_.twin));
    for (const StepState& s : run_.state.steps) {
      EXPECT_EQ(s.execution.phase, Phase::kEnded);
      for (const Execution& item : s.item_executions) EXPECT_EQ(item.phase, Phase::kEnded);
    }
  }
  const Bench& bench() const { return run_; }
  int answers() const { return answers_; }
  int seen_again() const { return seen_again_; }

 private:
  std::vector<Step> steps() {
    std::vector<Step> steps;
    const uint32_t n = 1 + random_.below(12);
    for (uint32_t i = 0; i < n; ++i) steps.push_back(random_step(random_, i));
    return steps;
  }
  int64_t timeout() { return random_.chance(30) ? 1 + random_.below(60'000'000) : 0; }

  void take(const Command& c) {
    if (c.kind == Command::Kind::kTimer) {
      timers_[{c.path, c.timer}] = c.at_us;
    } else if (c.kind == Command::Kind::kFinish) {
      // "Succeeded" asks for the output; a cancellation may still come before it is there.
      finishes_ += terminal(run_.state.status) ? 1 : 0;
      if (c.run_status == RunStatus::kSucceeded) todo_.push_back(c);
    } else if (c.kind != Command::Kind::kStop) {
      if (c.kind == Command::Kind::kStart) {
        EXPECT_TRUE(started_.insert({c.path, c.attempt}).second) << "an attempt starts once";
      }
      if (c.kind != Command::Kind::kDecide && c.alternative == 0) check_sight(c);
      todo_.push_back(c);
    }
  }

  // Every attempt of a step, and every item of its loop, reads the results that the first one did.
  void check_sight(const Command& c) {
    const json::Object no_secrets;
    const auto rendered = render_parameters({run_.planner, run_.state, no_secrets}, c);
    ASSERT_TRUE(rendered.ok()) << rendered.error().text();
    const std::string text = json::dump(rendered->parameters);
    const auto [first, fresh] = seen_.emplace(c.path.substr(0, c.path.find('[')), text);
    ASSERT_EQ(first->second, text) << c.path << " attempt " << c.attempt;
    seen_again_ += fresh ? 0 : 1;
  }

  void apply(EventBody body) {
    const Decision decision = run_.apply(std::move(body));
    for (const Command& c : decision.commands) take(c);
  }

  bool one_event() {
    if (random_.chance(1)) return apply(CancelRequested{"eve", ""}), true;
    if (random_.chance(3)) return crash(), true;
    if (random_.chance(20)) return outside(), true;
    const uint32_t choices = static_cast<uint32_t>(todo_.size() + timers_.size());
    if (choices == 0) return answer_people();
    const uint32_t pick = random_.below(choices);
    if (random_.chance(15) && answer_people()) return true;
    run_.now_us += random_.below(500'000);
    if (pick < todo_.size()) {
      const Command c = todo_[pick];
      todo_.erase(todo_.begin() + pick);
      answer(c);
    } else {
      auto timer = timers_.begin();
      std::advance(timer, pick - todo_.size());
      const auto [key, at] = *timer;
      if (!random_.chance(20)) timers_.erase(timer);  // else it will fire again
      run_.now_us = std::max(run_.now_us, at);
      apply(TimerFired{key.second, key.first});
    }
    return true;
  }

  // People, signals and child runs, whether or not anybody waits for them.
  void outside() {
    const std::string n = "n" + std::to_string(random_.below(3));
    const auto all = executions();
    const std::string path = all[random_.below(static_cast<uint32_t>(all.size()))].first;
    switch (random_.below(3)) {
      case 0:
        return apply(SignalReceived{n, json::Value(n), "eve"});
      case 1:
        return apply(ApprovalDecided{path, ApprovalDecided::Decision::kApproved, "eve", ""});
      default:
        return apply(ChildEnded{path, n, "succeeded", json::Value(1), {}});
    }
  }

  void answer(const Command& c) {
    switch (c.kind) {
      case Command::Kind::kDecide:
        return decide(c);
      case Command::Kind::kResume: {
        const Execution* e = find_execution(run_.state, *run_.planner.find(c.path));
        if (c.wake == Wake::kAnswer && e->attempt == c.attempt && e->phase == Phase::kSuspended) {
          ASSERT_TRUE(e->waiting != nullptr && !e->waiting->answer.is_null()) << c.path;
          ++answers_;
        }
        apply(AttemptResumed{c.path, c.attempt});
        return result(c);
      }
      case Command::Kind::kFinish:
        return apply(RunFinished{json::Value("out"), !random_.chance(10), {"E0450", "no", "", ""}});
      case Command::Kind::kStart:
        if (random_.chance(80)) apply(AttemptStarted{c.path, c.attempt});
        if (random_.chance(20)) apply(AttemptNoted{c.path, c.attempt, json::Value(c.path)});
        [[fallthrough]];
      default:
        return result(c);
    }
  }

  void decide(const Command& c) {
    if (random_.chance(5)) return apply(DecisionFailed{c.path, {"E0450", "no", "", ""}});
    const bool yes = random_.chance(70);
    const Step& step = run_.planner.step(c.path, c.alternative);
    json::Value items;
    if (yes && c.alternative == 0 && !step.for_each().is_null()) {
      items = json::Array(random_.below(5), json::Value(1));
    }
    apply(StepDecided{c.path, yes, items});
  }

  void result(const Command& c) {
    const uint32_t draw = random_.below(100);
    if (draw < 55) return apply(AttemptSucceeded{c.path, c.attempt, json::Value(c.path)});
    if (draw < 75) {
      return apply(AttemptFailed{c.path, c.attempt, {"x", "broke", "", ""}, draw < 72, 0});
    }
    if (draw < 85) {
      const auto reason = static_cast<WaitReason>(1 + random_.below(5));
      const int64_t until = random_.chance(50) ? run_.now_us + random_.below(5'000'000) + 1 : 0;
      const bool named = reason == WaitReason::kSignal || random_.chance(80);
      return apply(AttemptWaiting{c.path, c.attempt, reason, until,
                                  named ? "n" + std::to_string(random_.below(3)) : "",
                                  named ? json::Value(json::Object{}) : json::Value()});
    }
    if (draw < 90) return apply(AttemptUnknown{c.path, c.attempt, {"E0640", "cut", "", ""}});
    if (draw < 95) return apply(AttemptInterrupted{c.path, c.attempt});
    // Silence: only a timeout, a person or a restart brings the run on.
  }

  // All that a restart does: attempts that ran are reported, the rest is asked for again.
  void crash() {
    todo_.clear();
    timers_.clear();
    for (const auto& [path, e] : executions()) {
      if (e.phase == Phase::kRunning) apply(AttemptInterrupted{path, e.attempt});
    }
    todo_.clear();
    timers_.clear();
    started_.clear();
    for (const Command& c : run_.planner.outstanding(run_.state)) take(c);
  }

  // People, signals and resources answer; what still runs in silence is found dead.
  bool answer_people() {
    for (const auto& [path, e] : executions()) {
      if (e.phase == Phase::kUnknown) {
        const auto how = static_cast<UnknownResolved::Resolution>(random_.below(3));
        return apply(UnknownResolved{path, how, "known", "eve"}), true;
      }
      if (e.phase == Phase::kSuspended) {
        if (random_.chance(50)) return apply(AttemptSucceeded{path, e.attempt, "answered"}), true;
        apply(AttemptResumed{path, e.attempt});
        return apply(AttemptSucceeded{path, e.attempt, "resumed"}), true;
      }
      if (in_attempt(e)) return apply(AttemptInterrupted{path, e.attempt}), true;
    }
    return false;
  }

  std::vector<std::pair<std::string, Execution>> executions() const {
    std::vector<std::pair<std::string, Execution>> out;
    for (uint32_t i = 0; i < run_.state.steps.size(); ++i) {
      const StepState& s = run_.state.steps[i];
      out.emplace_back(run_.planner.path({i}), s.execution);
      for (size_t item = 0; item < s.item_executions.size(); ++item) {
        const ExecutionId id{i, static_cast<int64_t>(item)};
        out.emplace_back(run_.planner.path(id), s.item_executions[item]);
      }
    }
    return out;
  }

  void check_invariants() {
    uint32_t busy = 0, suspended = 0, unfinished = 0;
    for (const auto& [path, e] : executions()) {
      const bool is_item = path.find('[') != std::string::npos;
      if (!is_item && e.phase != Phase::kEnded) ++unfinished;
      const StepStatus now = status(e);
      const bool waits_outside = e.phase == Phase::kUnknown ||
                                 (e.phase == Phase::kSuspended && e.reason <= WaitReason::kTime);
      if (waits_outside) ++suspended;
      if (!waits_outside && e.phase != Phase::kEnded && e.phase != Phase::kIdle &&
          e.phase != Phase::kLooping) {
        ++busy;
      }
      // I4: terminal states never change.
      const auto before = ended_.find(path);
      if (before != ended_.end()) {
        ASSERT_EQ(json::canonical(to_json(e)), before->second) << path;
      } else if (terminal(now)) {
        ended_[path] = json::canonical(to_json(e));
      }
      const bool failed = now == StepStatus::kFailed || now == StepStatus::kTimedOut;
      ASSERT_TRUE(!failed || e.failure != nullptr) << path;
      // I7: what has not ended waits for something that can come.
      ASSERT_TRUE(e.phase != Phase::kRetrying || e.wake_us != 0) << path;
      ASSERT_TRUE(e.phase != Phase::kIdle || is_item || has_open_predecessor(path)) << path;
    }
    ASSERT_EQ(run_.state.busy, busy);
    ASSERT_EQ(run_.state.suspended, suspended);
    ASSERT_EQ(run_.state.unfinished, unfinished);
    ASSERT_EQ(run_.state.paused_us != 0,
              busy == 0 && suspended > 0 && !terminal(run_.state.status));
    check_concurrency();
    for (const ExecutionId& id : run_.state.listeners) {
      const Execution* e = find_execution(run_.state, id);
      ASSERT_TRUE(e->phase == Phase::kSuspended && e->reason == WaitReason::kSignal);
    }
  }

  bool has_open_predecessor(const std::string& path) const {
    const Step& step = run_.planner.step(path, 0);
    return std::any_of(step.dependencies.begin(), step.dependencies.end(), [&](uint32_t d) {
      return run_.state.steps[d].execution.phase != Phase::kEnded;
    });
  }

  void check_concurrency() {
    for (uint32_t i = 0; i < run_.state.steps.size(); ++i) {
      const Step& step = run_.planner.workflow().steps[i];
      const auto& items = run_.state.steps[i].item_executions;
      const auto active = std::count_if(items.begin(), items.end(), [](const Execution& e) {
        return e.phase != Phase::kEnded && e.phase != Phase::kIdle;
      });
      ASSERT_TRUE(step.concurrency == 0 || active <= step.concurrency) << step.id;
    }
  }

  Random random_;
  Bench run_;
  std::vector<Command> todo_;
  std::map<std::pair<std::string, TimerKind>, int64_t> timers_;
  std::set<std::pair<std::string, uint32_t>> started_;
  std::map<std::string, std::string> ended_;
  std::map<std::string, std::string> seen_;  // by step
  int seen_again_ = 0;
  int finishes_ = 0;
  int answers_ = 0;
};

TEST(Simulation, EveryRunEndsAndFoldsToTheSame) {
  std::map<std::string, int> outcomes;
  int answers = 0, seen_again = 0;
  for (uint64_t seed = 1; seed <= 3'000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Simulation simulation(seed);
    simulation.run_to_the_end();
    if (::testing::Test::HasFailure()) return;
    ++outcomes[std::string(name(simulation.bench().state.status))];
    answers += simulation.answers();
    seen_again += simulation.seen_again();
  }
  // The simulation reaches every end of a run, or it tests less than it says.
  for (const char* word : {"succeeded", "failed", "cancelled", "timed_out"}) {
    EXPECT_GT(outcomes[word], 20) << word;
  }
  EXPECT_GT(seen_again, 1'000) << "attempts after the first, and further items";
  EXPECT_GT(answers, 30) << "people, signals and child runs that were waited for";
}

// Whatever the journal's text is cut to, its fold is a state of the run; the rest continues it.
TEST(Simulation, EveryPrefixOfAJournalFolds) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Simulation simulation(seed);
    simulation.run_to_the_end();
    const Bench& bench = simulation.bench();
    for (size_t cut = 0; cut <= bench.journal.size(); cut += 7) {
      State state;
      for (size_t i = 0; i < bench.journal.size(); ++i) {
        if (i == cut) (void)bench.planner.outstanding(state);
        const auto event = event_from_json(*json::parse(bench.journal[i]));
        ASSERT_TRUE(bench.planner.apply(state, *event).ok());
      }
      ASSERT_EQ(bench.text(state), bench.text(bench.state));
    }
  }
}

}  // namespace
}  // namespace weft::workflow
