// SPDX-License-Identifier: Apache-2.0
//
// What the tests of the planner share: workflows made by hand, and a run that is driven event by
// event. Bench keeps a second state that hears only the journal, so that every test also checks
// that folding is the same.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "workflow/planner.h"

namespace weft::workflow {

inline Step make_step(std::string id, std::vector<uint32_t> dependencies = {}) {
  Step step;
  step.id = std::move(id);
  step.type = "set";
  step.parameters = json::Object{};
  step.dependencies = std::move(dependencies);
  return step;
}

inline Planner make_planner(std::vector<Step> steps, int64_t timeout_us = 0) {
  auto workflow = std::make_shared<Workflow>();
  workflow->id = "test";
  workflow->steps = std::move(steps);
  workflow->timeout_us = timeout_us;
  workflow->hash = "hash";
  return Planner(workflow);
}

class Bench {
 public:
  explicit Bench(std::vector<Step> steps, int64_t timeout_us = 0)
      : planner(make_planner(std::move(steps), timeout_us)) {
    RunAccepted accepted;
    accepted.run = "run_1";
    accepted.definition = "hash";
    accepted.input = json::Object{};
    accepted.env = json::Object{};
    accepted.seed = 7;
    accepted.timeout_us = timeout_us;
    apply(std::move(accepted));
    apply(RunStarted{});
  }

  // Applies the event now, and the event read back from its text to the twin.
  Decision apply(EventBody body) {
    Event event{now_us, std::move(body)};
    auto decision = planner.apply(state, event);
    EXPECT_TRUE(decision.ok()) << decision.error().text();
    journal.push_back(to_text(event));
    auto read = event_from_json(*json::parse(journal.back()));
    EXPECT_TRUE(read.ok()) << read.error().text();
    EXPECT_TRUE(planner.apply(twin, *read).ok());
    last = decision.ok() ? std::move(decision).value() : Decision{};
    for (const Command& c : last.commands) commands.push_back(c);
    return last;
  }
  Decision started(std::string path, uint32_t attempt = 1) {
    return apply(AttemptStarted{std::move(path), attempt});
  }
  Decision succeed(std::string path, json::Value output = 1, uint32_t attempt = 1) {
    return apply(AttemptSucceeded{std::move(path), attempt, std::move(output)});
  }
  Decision fail(std::string path, uint32_t attempt = 1, bool retryable = true) {
    AttemptFailed failed{path, attempt, {"broken", path + " broke", "", ""}, retryable, 0};
    return apply(std::move(failed));
  }
  Decision fire(TimerKind kind, std::string path = "") {
    return apply(TimerFired{kind, std::move(path)});
  }
  Decision decide(std::string path, bool run, json::Value items = nullptr) {
    return apply(StepDecided{std::move(path), run, std::move(items)});
  }

  StepStatus status(std::string_view path) const {
    return weft::workflow::status(execution(path));
  }
  const Execution& execution(std::string_view path) const {
    const Execution* e = find_execution(state, *planner.find(path));
    CHECK(e != nullptr);
    return *e;
  }
  std::string text(const State& s) const {
    return json::canonical(to_json(s, planner.workflow()));
  }
  // "start a#1", "finish failed", "timer retry a 5000", …, of the newest event.
  std::vector<std::string> said() const {
    std::vector<std::string> out;
    for (const Command& c : last.commands) out.push_back(text_of(c));
    return out;
  }
  static std::string text_of(const Command& c) {
    const std::string who = c.path + "#" + std::to_string(c.attempt) +
                            (c.alternative > 0 ? "/" + std::to_string(c.alternative) : "");
    switch (c.kind) {
      case Command::Kind::kDecide: return "decide " + who;
      case Command::Kind::kStart: return "start " + who;
      case Command::Kind::kStop: return "stop " + who;
      case Command::Kind::kResume: return "resume " + who;
      case Command::Kind::kTimer:
        return "timer " + std::string(name(c.timer)) + " " + c.path + " " +
               std::to_string(c.at_us);
      case Command::Kind::kFinish: return "finish " + std::string(name(c.run_status));
    }
    return "";
  }

  Planner planner;
  State state;
  State twin;  // hears the journal's text
  int64_t now_us = 1'000'000;
  Decision last;
  std::vector<Command> commands;
  std::vector<std::string> journal;
};

}  // namespace weft::workflow
