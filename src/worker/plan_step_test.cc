// SPDX-License-Identifier: Apache-2.0
//
// Steps that come out of the data. What a model proposes is tested with a model, in tests/e2e.
#include "base/file.h"
#include "worker/executor_test.h"
#include "worker/fsck.h"
#include "worker/run_acts.h"

namespace weft::worker {
namespace {

constexpr std::string_view kPlanned = R"(
weft: "1"
id: planned
input: {type: object, properties: {steps: {type: array}, n: {type: integer, default: 20}}}
steps:
  - id: dynamic
    type: plan
    parameters:
      steps: "{{ input.steps }}"
      types: [set, wait, file, approval]
      max_steps: 5
      input: {n: "{{ input.n }}"}
  - {id: after, type: set, dependencies: [dynamic], parameters: {value: "{{ steps.dynamic }}"}}
output: "{{ steps.after }}"
)";

class PlanStepTest : public ExecutorTest {
 protected:
  std::string submit(SimProcess& process, std::string_view steps) {
    json::Object input{{"steps", json::parse(steps).value()}, {"n", 20}};
    return process.executor().submit(request(kPlanned, json::Value(std::move(input)))).value();
  }
  std::string failure(std::string_view steps) {
    auto process = this->process(4);
    const std::string run = submit(*process, steps);
    settle(*process, 1'000'000);
    EXPECT_EQ(status(run), "failed");
    const json::Object error = document(run).at("error").as_object();
    return std::string(error.at("code").as_string()) + " " +
           std::string(error.at("message").as_string());
  }
};

TEST_F(PlanStepTest, ProposedStepsRunAndTheirResultIsTheSteps) {
  auto process = this->process(4);
  const std::string run = submit(*process, R"([
    {"id": "one", "type": "set", "parameters": {"value": "{{ input.n + 1 }}"}},
    {"id": "two", "type": "set", "dependencies": ["one"],
     "parameters": {"value": "{{ steps.one * 2 }}"}}])");
  settle(*process, 5'000'000);
  EXPECT_EQ(json::dump(document(run).at("output")), R"({"two":42})");
  EXPECT_EQ(number("SELECT count(*) FROM run WHERE parent IS NOT NULL"), 1);
  EXPECT_EQ(check_store(*reader_)->problems_total, 0);
}

// The plan is pinned: whoever continues does what was proposed.
TEST_F(PlanStepTest, AProposalSurvivesItsProcess) {
  auto process = this->process(4);
  const std::string run = submit(*process, R"([
    {"id": "note", "type": "file", "parameters": {"action": "append", "path": "n", "content": "x"}},
    {"id": "nap", "type": "wait", "dependencies": ["note"], "parameters": {"for": "30s"}},
    {"id": "end", "type": "set", "dependencies": ["nap"], "parameters": {"value": "ok"}}])");
  settle(*process, 5'000'000);
  process.reset();
  env_.advance_us(20'000'000);
  process = this->process(4);
  settle(*process, 60'000'000);
  EXPECT_EQ(json::dump(document(run).at("output")), R"({"end":"ok"})");
  EXPECT_EQ(read_file(directory_ / "n").value(), "x");
}

TEST_F(PlanStepTest, CancellingTheRunEndsThePlan) {
  auto process = this->process(4);
  const std::string run = submit(*process, R"([
    {"id": "ask", "type": "approval", "parameters": {"role": "lead"}}])");
  settle(*process, 2'000'000);
  EXPECT_EQ(required_actions(*reader_, {})->size(), 1U);
  ASSERT_TRUE(process->executor().cancel(run, "me", "").ok());
  settle(*process, 2'000'000);
  EXPECT_EQ(number("SELECT count(*) FROM run WHERE status = 'cancelled'"), 2);
  EXPECT_EQ(required_actions(*reader_, {})->size(), 0U);
}

TEST_F(PlanStepTest, WhatCannotRunIsNamedAndStartsNothing) {
  EXPECT_NE(failure("[]").find("E0619"), std::string::npos);
  EXPECT_NE(failure(R"([{"id": "a", "type": "http", "parameters": {"url": "http://x"}}])")
                .find("is of type 'http'"), std::string::npos);
  EXPECT_NE(failure(R"([{"id": "a", "type": "set", "parameters": {"value": 1},
                         "dependencies": ["b"]}])").find("'b'"), std::string::npos);
  EXPECT_NE(failure(R"([{"id": "a", "type": "set", "dependencies": ["b"],
                         "parameters": {"value": 1}},
                        {"id": "b", "type": "set", "dependencies": ["a"],
                         "parameters": {"value": 1}}])").find("circle"), std::string::npos);
  EXPECT_NE(failure(R"([{"id": "a", "type": "set",
                         "parameters": {"value": "{{ input.missing }}"}}])").find("E0619"),
            std::string::npos);
  EXPECT_NE(failure(R"([1, 2])").find("E0619"), std::string::npos);
  EXPECT_NE(failure(R"([{"id":"a","type":"set"},{"id":"b","type":"set"},{"id":"c","type":"set"},
                        {"id":"d","type":"set"},{"id":"e","type":"set"},{"id":"f","type":"set"}])")
                .find("at most 5"), std::string::npos);
  // A fallback is a step, too.
  EXPECT_NE(failure(R"([{"id": "a", "type": "set", "parameters": {"value": 1}, "fallback":
                         [{"id": "b", "type": "plan", "parameters": {"goal": "x"}}]}])")
                .find("'plan'"), std::string::npos);
  EXPECT_EQ(number("SELECT count(*) FROM run WHERE parent IS NOT NULL"), 0);
}

}  // namespace
}  // namespace weft::worker
