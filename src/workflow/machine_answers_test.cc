// SPDX-License-Identifier: Apache-2.0
//
// What comes from outside a run: decisions, signals, ends of child runs, results that were kept.
#include <gtest/gtest.h>

#include "workflow/planner_test.h"

namespace weft::workflow {
namespace {

using Strings = std::vector<std::string>;
using Decision_ = ApprovalDecided::Decision;

Step typed(std::string id, std::string type, std::vector<uint32_t> dependencies = {}) {
  Step step = make_step(std::move(id), std::move(dependencies));
  step.type = std::move(type);
  step.timeout_us = 0;
  return step;
}

AttemptWaiting asks(std::string path, WaitReason reason, std::string name = "") {
  return {std::move(path), 1, reason, 0, std::move(name), json::Object{{"title", "t"}}};
}

// Dify #42103: two parallel approvals paused the run for ever.
TEST(Answers, regress_dify_42103_parallel_approvals) {
  Bench run({typed("a", "approval"), typed("b", "approval"), make_step("c", {0, 1})});
  run.apply(asks("a", WaitReason::kPerson));
  run.apply(asks("b", WaitReason::kPerson));
  EXPECT_EQ(run.state.status, RunStatus::kWaiting);
  run.apply(ApprovalDecided{"b", Decision_::kApproved, "ada", "fine"});
  EXPECT_EQ(run.said(), Strings{"resume b#1"});
  EXPECT_EQ(run.last.commands[0].wake, Wake::kAnswer);
  EXPECT_EQ(run.execution("b").waiting->answer.at("by"), json::Value("ada"));
  EXPECT_TRUE(run.apply(ApprovalDecided{"b", Decision_::kRejected, "eve", ""}).stale);
  run.apply(AttemptResumed{"b", 1});
  run.succeed("b");
  EXPECT_EQ(run.state.status, RunStatus::kWaiting) << "a still waits";
  run.apply(ApprovalDecided{"a", Decision_::kApproved, "ada", ""});
  run.apply(AttemptResumed{"a", 1});
  run.succeed("a");
  EXPECT_EQ(run.said(), Strings{"start c#1"});
}

TEST(Answers, AnAnswerOutlivesACrashBeforeItsStepHeardIt) {
  Bench run({typed("a", "approval")});
  run.apply(asks("a", WaitReason::kPerson));
  run.apply(ApprovalDecided{"a", Decision_::kApproved, "ada", ""});
  const auto outstanding = run.planner.outstanding(run.state);
  ASSERT_EQ(outstanding.size(), 1U);
  EXPECT_EQ(outstanding[0].kind, Command::Kind::kResume);
  EXPECT_EQ(outstanding[0].wake, Wake::kAnswer);
}

TEST(Answers, ADeadlineThatComesAfterTheAnswerChangesNothing) {
  Step a = typed("a", "approval");
  a.timeout_us = 10 * kSecondUs;
  Bench run({a});
  run.apply(asks("a", WaitReason::kPerson));
  run.apply(ApprovalDecided{"a", Decision_::kApproved, "ada", ""});
  run.now_us += 20 * kSecondUs;
  run.fire(TimerKind::kStepDeadline, "a");
  EXPECT_EQ(run.said(), Strings{});
  EXPECT_EQ(run.execution("a").woken, Wake::kAnswer);
}

TEST(Answers, TheTimeLimitOfAnApprovalIsOutstandingUntilItsStepHeardOfIt) {
  Step a = typed("a", "approval");
  a.timeout_us = 10 * kSecondUs;
  Bench run({a});
  run.apply(asks("a", WaitReason::kPerson));
  run.now_us += 10 * kSecondUs;
  run.fire(TimerKind::kStepDeadline, "a");
  EXPECT_EQ(run.last.commands[0].wake, Wake::kLimit);
  EXPECT_EQ(run.planner.outstanding(run.state).at(0).wake, Wake::kLimit);
}

TEST(Answers, ASignalGoesToTheLongestWaitingOneAndIsKeptIfThereIsNone) {
  Bench run({typed("a", "signal"), typed("b", "signal"), typed("c", "signal", {0, 1})});
  run.apply(asks("b", WaitReason::kSignal, "go"));
  run.apply(asks("a", WaitReason::kSignal, "go"));
  run.apply(SignalReceived{"other", 0, "eve"});
  EXPECT_EQ(run.said(), Strings{});
  run.apply(SignalReceived{"go", 1, "eve"});
  EXPECT_EQ(run.said(), Strings{"resume b#1"});
  run.apply(SignalReceived{"go", 2, "eve"});
  EXPECT_EQ(run.said(), Strings{"resume a#1"});
  run.apply(SignalReceived{"go", 3, "eve"});
  EXPECT_EQ(run.state.signals.size(), 2U);
  for (const char* path : {"b", "a"}) {
    run.apply(AttemptResumed{path, 1});
    run.succeed(path);
  }
  run.apply(asks("c", WaitReason::kSignal, "go"));
  EXPECT_EQ(run.said(), Strings{"resume c#1"});
  EXPECT_EQ(run.execution("c").waiting->answer.at("payload"), json::Value(3));
  EXPECT_EQ(run.state.signals.size(), 1U);
}

TEST(Answers, SignalsThatNobodyWantsAreKeptOnlyToALimit) {
  Bench run({make_step("a")});
  for (int i = 0; i < 1'000; ++i) run.apply(SignalReceived{"x", i, ""});
  EXPECT_TRUE(run.apply(SignalReceived{"x", 0, ""}).stale);
}

TEST(Answers, AChildRunAnswersItsStepAndIsStoppedWithIt) {
  Bench run({typed("a", "workflow"), make_step("b", {0})});
  run.apply(asks("a", WaitReason::kChildRun, "run_2"));
  EXPECT_EQ(run.state.status, RunStatus::kRunning) << "a child run uses the clock";
  EXPECT_TRUE(run.apply(ChildEnded{"a", "run_3", "succeeded", 1, {}}).stale) << "another run";
  run.apply(ChildEnded{"a", "run_2", "succeeded", 1, {}});
  EXPECT_EQ(run.said(), Strings{"resume a#1"});
  Bench cancelled({typed("a", "workflow")});
  cancelled.apply(asks("a", WaitReason::kChildRun, "run_2"));
  cancelled.apply(CancelRequested{"eve", ""});
  EXPECT_EQ(cancelled.last.commands[0].kind, Command::Kind::kStop);
  EXPECT_EQ(cancelled.last.commands[0].child, "run_2");
}

RunAccepted made_from(std::string origin) {
  RunAccepted accepted;
  accepted.run = "run_2";
  accepted.definition = "hash";
  accepted.input = accepted.env = json::Object{};
  accepted.origin = std::move(origin);
  return accepted;
}

TEST(Answers, KeptResultsEndTheirStepsAndTheRestRuns) {
  Step tolerated = make_step("t");
  tolerated.on_error = OnError::kContinue;
  const Planner planner =
      make_planner({make_step("a"), tolerated, make_step("s"), make_step("b", {0, 1, 2})});
  State state;
  ASSERT_TRUE(planner.apply(state, {1, made_from("run_1")}).ok());
  ASSERT_TRUE(planner.apply(state, {1, ResultKept{"a", StepEnd::kSucceeded, 5, {}}}).ok());
  ASSERT_TRUE(planner.apply(state, {1, ResultKept{"t", StepEnd::kFailed, nullptr,
                                                  {"x", "broke", "", "t"}}}).ok());
  ASSERT_TRUE(planner.apply(state, {1, ResultKept{"s", StepEnd::kSkipped, nullptr, {}}}).ok());
  EXPECT_FALSE(planner.apply(state, {1, ResultKept{"a", StepEnd::kSucceeded, 5, {}}}).ok());
  EXPECT_FALSE(planner.apply(state, {1, ResultKept{"b", StepEnd::kSucceeded, 5, {}}}).ok())
      << "a run without work";
  const auto decision = planner.apply(state, {2, RunStarted{}});
  ASSERT_TRUE(decision.ok());
  ASSERT_EQ(decision->commands.size(), 1U);
  EXPECT_EQ(Bench::text_of(decision->commands[0]), "start b#1");
  EXPECT_TRUE(state.steps[1].execution.tolerated);
  EXPECT_FALSE(planner.apply(state, {3, ResultKept{"b", StepEnd::kSucceeded, 5, {}}}).ok());
}

}  // namespace
}  // namespace weft::workflow
