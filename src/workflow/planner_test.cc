// SPDX-License-Identifier: Apache-2.0
#include "workflow/planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "workflow/planner_test.h"
#include "workflow/schedule.h"

namespace weft::workflow {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Strings = std::vector<std::string>;

TEST(Planner, ChainRunsInOrderAndFinishes) {
  Bench run({make_step("a"), make_step("b", {0})});
  EXPECT_EQ(run.said(), Strings{"start a#1"});
  run.started("a");
  EXPECT_EQ(run.said(), Strings{"timer step_deadline a 301000000"});
  run.succeed("a");
  EXPECT_EQ(run.said(), Strings{"start b#1"});
  run.succeed("b");
  EXPECT_EQ(run.said(), Strings{"finish succeeded"});
  EXPECT_EQ(run.state.status, RunStatus::kRunning);
  run.apply(RunFinished{json::Value("out"), true, {}});
  EXPECT_EQ(run.state.status, RunStatus::kSucceeded);
  EXPECT_EQ(run.text(run.state), run.text(run.twin));
}

// The brief's sample loop looked for ready steps only when a whole batch had ended.
TEST(Planner, StepStartsTheMomentItsOwnDependenciesAreDone) {
  Bench run({make_step("slow"), make_step("quick"), make_step("next", {1})});
  run.succeed("quick");
  EXPECT_EQ(run.said(), Strings{"start next#1"});
  EXPECT_EQ(run.status("slow"), StepStatus::kReady);
}

// In the brief's sample loop a timed-out step never counted as completed, and the loop span.
TEST(Planner, TimedOutStepEndsTheRunInsteadOfHangingIt) {
  Bench run({make_step("a"), make_step("b", {0})});
  run.started("a");
  run.now_us += kStepTimeoutUs;
  run.fire(TimerKind::kStepDeadline, "a");
  EXPECT_EQ(run.said(), (Strings{"stop a#1", "finish failed"}));
  EXPECT_EQ(run.status("a"), StepStatus::kTimedOut);
  EXPECT_EQ(run.status("b"), StepStatus::kFailed);
  EXPECT_EQ(run.execution("b").failure->step, "a");
  EXPECT_EQ(run.state.status, RunStatus::kFailed);
}

TEST(Planner, TerminalStatesNeverChange) {
  Bench run({make_step("a"), make_step("b")});
  run.succeed("a", "first");
  const std::string before = json::canonical(to_json(run.state.steps[0]));
  EXPECT_TRUE(run.succeed("a", "second").stale);
  EXPECT_TRUE(run.fail("a").stale);
  EXPECT_TRUE(run.started("a").stale);
  EXPECT_TRUE(run.fire(TimerKind::kStepDeadline, "a").stale);
  EXPECT_EQ(json::canonical(to_json(run.state.steps[0])), before);
  run.apply(CancelRequested{"eve", "enough"});
  EXPECT_EQ(run.status("a"), StepStatus::kSucceeded);
  EXPECT_EQ(run.status("b"), StepStatus::kCancelled);
  EXPECT_EQ(run.state.status, RunStatus::kCancelled);
  EXPECT_TRUE(run.succeed("b").stale);
  EXPECT_TRUE(run.apply(CancelRequested{}).stale);
}

// What an attempt noted survives a crash of its process and its waiting for people, not a failure.
TEST(Planner, NotesStayUntilTheStepBeginsAnewOrEnds) {
  auto step = make_step("a");
  step.edit().retry.attempts = 2;
  Bench b({step});
  const auto notes = [&] {
    const auto& kept = b.state.steps[0].execution.notes;
    return kept == nullptr ? json::Array() : *kept;
  };
  b.apply(AttemptStarted{"a", 1});
  b.apply(AttemptNoted{"a", 1, json::Value("one")});
  b.apply(AttemptNoted{"a", 1, json::Value("two")});
  EXPECT_EQ(notes(), (json::Array{"one", "two"}));
  b.apply(AttemptInterrupted{"a", 1});
  EXPECT_EQ(notes().size(), 2U);
  EXPECT_TRUE(b.apply(AttemptNoted{"a", 1, json::Value("late")}).stale);
  b.apply(AttemptStarted{"a", 2});
  b.apply(AttemptWaiting{"a", 2, WaitReason::kPerson, 0, "", json::Object{{"title", "?"}}});
  b.apply(ApprovalDecided{"a", ApprovalDecided::Decision::kApproved, "ada", ""});
  b.apply(AttemptResumed{"a", 2});
  b.apply(AttemptNoted{"a", 2, json::Value("three")});
  EXPECT_EQ(notes(), (json::Array{"one", "two", "three"}));
  b.apply(AttemptFailed{"a", 2, {"E1", "no", "", ""}, true, 0});
  EXPECT_TRUE(notes().empty());
}

TEST(Planner, RetriesWithBackoffThenFails) {
  Step a = make_step("a");
  a.edit().retry = {.attempts = 3, .backoff = Backoff::kExponential, .jitter = false};
  Bench run({a});
  run.started("a");
  run.fail("a");
  EXPECT_EQ(run.said(), Strings{"timer retry a 2000000"});
  EXPECT_EQ(run.status("a"), StepStatus::kWaiting);
  EXPECT_TRUE(run.fire(TimerKind::kRetry, "a").stale) << "too early";
  run.now_us = 2'000'000;
  run.fire(TimerKind::kRetry, "a");
  EXPECT_EQ(run.said(), Strings{"start a#2"});
  EXPECT_TRUE(run.fail("a", 1).stale) << "an old attempt";
  run.fail("a", 2);
  EXPECT_EQ(run.said(), Strings{"timer retry a 4000000"});
  run.now_us = 4'000'000;
  run.fire(TimerKind::kRetry, "a");
  run.fail("a", 3);
  EXPECT_EQ(run.said(), Strings{"finish failed"});
  EXPECT_EQ(run.state.failure->message, "a broke");
}

TEST(Planner, NotRetryableAndTooLateFailAtOnce) {
  Step a = make_step("a");
  a.edit().retry.attempts = 9;
  Bench refused({a});
  refused.fail("a", 1, false);
  EXPECT_EQ(refused.status("a"), StepStatus::kFailed);
  a.edit().retry.initial_us = a.edit().retry.max_us = 2 * kStepTimeoutUs;
  Bench late({a});
  late.fail("a");
  EXPECT_EQ(late.status("a"), StepStatus::kFailed);
}

TEST(Planner, StepTimeoutBoundsAllAttemptsAndAttemptTimeoutOne) {
  Step a = make_step("a");
  a.timeout_us = 10 * kSecondUs;
  a.edit().retry = {.attempts = 9, .backoff = Backoff::kFixed, .jitter = false,
             .attempt_timeout_us = 4 * kSecondUs};
  Bench run({a});
  run.started("a");
  EXPECT_EQ(run.said(), (Strings{"timer step_deadline a 11000000",
                                 "timer attempt_deadline a 5000000"}));
  run.now_us = 5'000'000;
  run.fire(TimerKind::kAttemptDeadline, "a");
  EXPECT_EQ(run.said(), (Strings{"stop a#1", "timer retry a 6000000"}));
  run.now_us = 6'000'000;
  run.fire(TimerKind::kRetry, "a");
  run.started("a", 2);
  EXPECT_EQ(run.said(), Strings{"timer attempt_deadline a 10000000"}) << "one step deadline";
  run.now_us = 11'000'000;
  run.fire(TimerKind::kStepDeadline, "a");
  EXPECT_EQ(run.status("a"), StepStatus::kTimedOut);
}

TEST(Planner, FallbacksAreTriedInOrderAndGiveTheStepItsResult) {
  Step a = make_step("a");
  a.edit().fallback = {make_step("a2"), make_step("a3")};
  a.edit().fallback[0].edit().when = "{{ input.x }}";
  Bench run({a, make_step("b", {0})});
  run.fail("a");
  EXPECT_EQ(run.said(), Strings{"decide a#1/1"});
  run.decide("a", false);
  EXPECT_EQ(run.said(), Strings{"start a#2/2"});
  EXPECT_EQ(run.planner.step("a", 2).id, "a3");
  run.succeed("a", "from a3", 2);
  EXPECT_EQ(run.said(), Strings{"start b#1"});
  EXPECT_EQ(run.execution("a").output, json::Value("from a3"));
}

TEST(Planner, TimeoutLeadsToTheFallbackWithAClockOfItsOwn) {
  Step a = make_step("a");
  a.timeout_us = kSecondUs;
  a.edit().fallback = {make_step("a2")};
  a.edit().fallback[0].timeout_us = 5 * kSecondUs;
  Bench run({a});
  run.started("a");
  run.now_us += kSecondUs;
  run.fire(TimerKind::kStepDeadline, "a");
  EXPECT_EQ(run.said(), (Strings{"stop a#1", "start a#2/1"}));
  run.started("a", 2);
  EXPECT_EQ(run.said(), Strings{"timer step_deadline a 7000000"});
}

TEST(Planner, ConditionSkipsAndSkippedCountsAsOk) {
  Step a = make_step("a");
  a.edit().when = "{{ input.x }}";
  Bench run({a, make_step("b", {0})});
  EXPECT_EQ(run.said(), Strings{"decide a#0"});
  run.decide("a", false);
  EXPECT_EQ(run.said(), Strings{"start b#1"});
  EXPECT_EQ(run.status("a"), StepStatus::kSkipped);
}

TEST(Planner, ConditionThatCannotBeEvaluatedFailsTheStep) {
  Step a = make_step("a");
  a.edit().when = "{{ input.x }}";
  a.edit().fallback = {make_step("a2")};
  Bench run({a});
  run.apply(DecisionFailed{"a", {"E0420", "no x", "", ""}});
  EXPECT_EQ(run.said(), Strings{"finish failed"});
}

TEST(Planner, LoopKeepsItemOrderAndConcurrency) {
  Step a = make_step("a");
  a.edit().for_each = "{{ input.list }}";
  a.concurrency = 2;
  Bench run({a, make_step("b", {0})});
  run.decide("a", true, json::Array{10, 20, 30});
  EXPECT_EQ(run.said(), (Strings{"timer step_deadline a 301000000", "start a[0]#1",
                                 "start a[1]#1"}));
  run.succeed("a[1]", "y");
  EXPECT_EQ(run.said(), Strings{"start a[2]#1"});
  run.succeed("a[2]", "z");
  EXPECT_THAT(run.said(), IsEmpty());
  run.succeed("a[0]", "x");
  EXPECT_EQ(run.said(), Strings{"start b#1"});
  EXPECT_EQ(run.execution("a").output, (json::Value{"x", "y", "z"}));
}

TEST(Planner, LoopItemFailureFailsTheStepOrLeavesNull) {
  Step a = make_step("a");
  a.edit().for_each = "{{ input.list }}";
  Bench strict({a});
  strict.decide("a", true, json::Array{1, 2});
  strict.fail("a[0]");
  EXPECT_EQ(strict.said(), (Strings{"stop a[1]#1", "finish failed"}));
  EXPECT_EQ(strict.state.failure->step, "a[0]");
  EXPECT_EQ(strict.status("a[1]"), StepStatus::kCancelled);
  a.on_error = OnError::kContinue;
  Bench lenient({a});
  lenient.decide("a", true, json::Array{1, 2});
  lenient.fail("a[0]");
  lenient.succeed("a[1]", "y");
  EXPECT_EQ(lenient.execution("a").output, (json::Value{nullptr, "y"}));
  EXPECT_EQ(lenient.said(), Strings{"finish succeeded"});
}

TEST(Planner, EmptyLoopAndLoopTimeout) {
  Step a = make_step("a");
  a.edit().for_each = "{{ input.list }}";
  Bench empty({a});
  empty.decide("a", true, json::Array{});
  EXPECT_EQ(empty.said(), Strings{"finish succeeded"});
  a.timeout_us = kSecondUs;
  a.concurrency = 1;
  Bench slow({a});
  slow.decide("a", true, json::Array{1, 2});
  slow.started("a[0]");
  slow.now_us += kSecondUs;
  slow.fire(TimerKind::kStepDeadline, "a");
  EXPECT_EQ(slow.said(), (Strings{"stop a[0]#1", "finish failed"}));
  EXPECT_EQ(slow.status("a"), StepStatus::kTimedOut);
  EXPECT_EQ(slow.status("a[0]"), StepStatus::kTimedOut);
  EXPECT_EQ(slow.status("a[1]"), StepStatus::kCancelled);
}

TEST(Planner, ToleratedFailureCountsAsSkippedAndKeepsTheError) {
  Step a = make_step("a");
  a.on_error = OnError::kContinue;
  Bench run({a, make_step("b", {0})});
  run.fail("a");
  EXPECT_EQ(run.said(), Strings{"start b#1"});
  EXPECT_EQ(run.status("a"), StepStatus::kFailed);
  EXPECT_EQ(run.execution("a").failure->message, "a broke");
  run.succeed("b");
  EXPECT_EQ(run.said(), Strings{"finish succeeded"});
}

TEST(Planner, FailureIsForgivenOnlyByAnyOkThatRan) {
  Step any = make_step("any", {0, 1});
  any.join = Join::kAnyOk;
  Bench one({make_step("a"), make_step("b"), any});
  one.fail("a");
  one.succeed("b");
  one.succeed("any");
  EXPECT_EQ(one.said(), Strings{"finish succeeded"});
  Step all = make_step("all", {0, 1});
  all.join = Join::kAllDone;
  Bench two({make_step("a"), make_step("b"), all});
  two.fail("a");
  two.succeed("b");
  two.succeed("all");
  EXPECT_EQ(two.said(), Strings{"finish failed"});
  EXPECT_EQ(two.state.failure->step, "a");
}

TEST(Planner, RunDeadlineEndsEverything) {
  Bench run({make_step("a"), make_step("b", {0})}, 5 * kSecondUs);
  run.started("a");
  run.now_us += 5 * kSecondUs;
  run.fire(TimerKind::kRunDeadline);
  EXPECT_EQ(run.said(), (Strings{"stop a#1", "finish timed_out"}));
  EXPECT_EQ(run.status("a"), StepStatus::kTimedOut);
  EXPECT_EQ(run.status("b"), StepStatus::kCancelled);
}

TEST(Planner, ClocksStandStillWhileOnlyAPersonIsWaitedFor) {
  Step a = make_step("a");
  a.timeout_us = 10 * kSecondUs;
  Bench run({a}, 20 * kSecondUs);
  run.started("a");
  run.apply(AttemptWaiting{"a", 1, WaitReason::kPerson, 0});
  EXPECT_EQ(run.state.status, RunStatus::kWaiting);
  run.now_us += 3600 * kSecondUs;
  EXPECT_TRUE(run.fire(TimerKind::kRunDeadline).stale);
  EXPECT_TRUE(run.fire(TimerKind::kStepDeadline, "a").stale);
  run.apply(AttemptResumed{"a", 1});
  EXPECT_EQ(run.said(), (Strings{"timer step_deadline a 3611000000",
                                 "timer run_deadline  3621000000"}));
  EXPECT_EQ(run.state.status, RunStatus::kRunning);
}

TEST(Planner, RunClockGoesOnWhileAnythingElseWorks) {
  Bench run({make_step("a"), make_step("b")}, 20 * kSecondUs);
  run.started("a");
  run.apply(AttemptWaiting{"a", 1, WaitReason::kPerson, 0});
  EXPECT_EQ(run.state.status, RunStatus::kRunning);
  run.now_us += 20 * kSecondUs;
  run.fire(TimerKind::kRunDeadline);
  EXPECT_EQ(run.state.status, RunStatus::kTimedOut);
}

TEST(Planner, WaitStepIsWokenByItsTimer) {
  Step a = make_step("a");
  a.type = "wait";
  a.timeout_us = 0;
  Bench run({a});
  run.started("a");
  run.apply(AttemptWaiting{"a", 1, WaitReason::kTime, 9'000'000});
  EXPECT_EQ(run.said(), Strings{"timer wake a 9000000"});
  run.now_us = 9'000'000;
  run.fire(TimerKind::kWake, "a");
  EXPECT_EQ(run.said(), Strings{"resume a#1"});
  // A crash now: the resumption is still owed.
  const auto owed = run.planner.outstanding(run.state);
  ASSERT_EQ(owed.size(), 1U);
  EXPECT_EQ(Bench::text_of(owed[0]), "resume a#1");
  run.succeed("a");
  EXPECT_EQ(run.said(), Strings{"finish succeeded"});
}

TEST(Planner, WaitingTypesAreBoundByTheirTimeout) {
  Step a = make_step("a");
  a.type = "signal";
  a.timeout_us = 5 * kSecondUs;
  Bench run({a});
  run.started("a");
  run.apply(AttemptWaiting{"a", 1, WaitReason::kSignal, 0});
  run.now_us += 5 * kSecondUs;
  run.fire(TimerKind::kStepDeadline, "a");
  EXPECT_EQ(run.status("a"), StepStatus::kTimedOut);
}

TEST(Planner, InterruptedAttemptRunsAgainUnderANewNumberWithoutCountingAsFailure) {
  Bench run({make_step("a")});
  run.started("a");
  run.apply(AttemptInterrupted{"a", 1});
  EXPECT_EQ(run.said(), Strings{"start a#2"});
  EXPECT_EQ(run.execution("a").failures, 0U);
  EXPECT_TRUE(run.succeed("a", "old", 1).stale);
  run.succeed("a", "new", 2);
  EXPECT_EQ(run.execution("a").output, json::Value("new"));
}

TEST(Planner, UnknownEffectAsksRetriesOrFails) {
  Step a = make_step("a");
  Bench ask({a}, kSecondUs);
  ask.started("a");
  ask.apply(AttemptUnknown{"a", 1, {"E0640", "cut off", "", ""}});
  EXPECT_EQ(ask.status("a"), StepStatus::kUnknown);
  EXPECT_EQ(ask.state.status, RunStatus::kWaiting) << "a person is asked: the clock stands still";
  ask.apply(UnknownResolved{"a", UnknownResolved::Resolution::kSucceed, "done", "eve"});
  EXPECT_EQ(ask.execution("a").output, json::Value("done"));
  a.on_unknown = OnUnknown::kRetry;
  Bench retry({a});
  retry.started("a");
  retry.apply(AttemptUnknown{"a", 1, {"E0640", "cut off", "", ""}});
  EXPECT_EQ(retry.said(), Strings{"start a#2"});
  a.on_unknown = OnUnknown::kFail;
  Bench fail({a});
  fail.started("a");
  fail.apply(AttemptUnknown{"a", 1, {"E0640", "cut off", "", ""}});
  EXPECT_EQ(fail.said(), Strings{"finish failed"});
}

TEST(Planner, OutstandingAfterACrash) {
  Step retried = make_step("retried");
  retried.edit().retry = {.attempts = 2, .jitter = false};
  Bench run({retried, make_step("running"), make_step("ready")}, 60 * kSecondUs);
  run.fail("retried");
  run.started("running");
  Strings owed;
  for (const Command& c : run.planner.outstanding(run.state)) owed.push_back(Bench::text_of(c));
  EXPECT_EQ(owed, (Strings{"timer run_deadline  61000000", "timer step_deadline retried 301000000",
                           "timer retry retried 2000000", "timer step_deadline running 301000000",
                           "start ready#1"}));
}

TEST(Planner, EventsThatDoNotFitAreRefusedAndLeaveNoTrace) {
  Bench run({make_step("a")});
  const std::string before = run.text(run.state);
  const auto refused = [&](EventBody body, int64_t at_us = 1'000'000) {
    const auto decision = run.planner.apply(run.state, {at_us, std::move(body)});
    return !decision.ok() && decision.error().code == "E0430" && run.text(run.state) == before;
  };
  EXPECT_TRUE(refused(AttemptSucceeded{"b", 1, 1}));
  EXPECT_TRUE(refused(AttemptSucceeded{"a", 2, 1}));
  EXPECT_TRUE(refused(AttemptSucceeded{"a", 0, 1}));
  EXPECT_TRUE(refused(AttemptSucceeded{"a[0]", 1, 1}));
  EXPECT_TRUE(refused(AttemptSucceeded{"a[00]", 1, 1}));
  EXPECT_TRUE(refused(RunAccepted{}));
  EXPECT_TRUE(refused(RunFinished{}));
  EXPECT_TRUE(refused(RunStarted{}, 999'999));
  State fresh;
  EXPECT_FALSE(run.planner.apply(fresh, {1, RunStarted{}}).ok());
  EXPECT_FALSE(run.planner.apply(fresh, {1, CancelRequested{}}).ok());
}

// The same events under the rules that runs had before rules were counted.
State folded_by_old_rules(const Bench& run) {
  State state;
  for (const std::string& text : run.journal) {
    json::Value event = *json::parse(text);
    event.as_object().erase("rules");
    EXPECT_TRUE(run.planner.apply(state, *event_from_json(event)).ok()) << text;
  }
  EXPECT_EQ(state.rules, 0U);
  return state;
}

TEST(Planner, AnyOkForgivesOnlyIfItRan) {
  Step either = make_step("either", {0, 1});
  either.join = Join::kAnyOk;
  either.edit().when = "{{ input.yes }}";
  for (const bool runs : {true, false}) {
    Bench run({make_step("boom"), make_step("okay"), either});
    run.fail("boom");
    run.succeed("okay");
    run.decide("either", runs);
    if (runs) run.succeed("either");
    EXPECT_EQ(run.said(), Strings{runs ? "finish succeeded" : "finish failed"});
  }
}

TEST(Planner, ARunKeepsTheRulesItWasAcceptedBy) {
  Step either = make_step("either", {0, 1});
  either.join = Join::kAnyOk;
  either.edit().when = "{{ input.yes }}";
  Bench run({make_step("boom"), make_step("okay"), either});
  EXPECT_EQ(run.state.rules, kRules);
  run.fail("boom");
  run.succeed("okay");
  run.decide("either", false);
  run.apply(RunFinished{json::Object{}, true, {}});
  EXPECT_EQ(run.state.status, RunStatus::kFailed);
  EXPECT_EQ(folded_by_old_rules(run).status, RunStatus::kSucceeded);
  RunAccepted newer;
  newer.run = "run_2";
  newer.definition = "hash";
  newer.rules = kRules + 1;
  State fresh;
  EXPECT_THAT(run.planner.apply(fresh, {1, newer}).error().hint, testing::HasSubstr("newer weft"));
}

TEST(Planner, ADefaultAttemptTimeoutLetsWaitingStepsWait) {
  Step a = make_step("a");
  a.type = "wait";
  a.timeout_us = 0;
  a.edit().retry.attempt_timeout_us = kSecondUs;
  for (const bool by_default : {false, true}) {
    a.attempt_timeout_by_default = by_default;
    Bench run({a});
    run.apply(AttemptWaiting{"a", 1, WaitReason::kTime, run.now_us + 3 * kSecondUs, "", nullptr});
    EXPECT_EQ(run.execution("a").attempt_deadline_us == 0, by_default);
    run.now_us += kSecondUs;
    EXPECT_EQ(run.fire(TimerKind::kAttemptDeadline, "a").stale, by_default);
    EXPECT_EQ(folded_by_old_rules(run).status, RunStatus::kFailed);
  }
}

// on_timeout says what becomes of each approval; a loop that timed out would leave it no word.
TEST(Planner, WaitingItemsOfALoopHaveTheTimeLimitEach) {
  Step a = make_step("a");
  a.type = "approval";
  a.timeout_us = 2 * kSecondUs;
  a.concurrency = 1;
  a.edit().for_each = "{{ input.list }}";
  Bench run({a});
  run.decide("a", true, json::Array{1, 2});
  EXPECT_EQ(run.said(), Strings{"start a[0]#1"});
  run.apply(AttemptWaiting{"a[0]", 1, WaitReason::kPerson, 0, "", json::Object{}});
  EXPECT_EQ(run.said(), Strings{"timer step_deadline a[0] 3000000"});
  run.now_us += 2 * kSecondUs;
  run.fire(TimerKind::kStepDeadline, "a[0]");
  EXPECT_EQ(run.said(), Strings{"resume a[0]#1"});
  EXPECT_EQ(run.last.commands[0].wake, Wake::kLimit);
  run.apply(AttemptResumed{"a[0]", 1});
  run.succeed("a[0]");
  run.apply(AttemptWaiting{"a[1]", 1, WaitReason::kPerson, 0, "", json::Object{}});
  EXPECT_EQ(run.said(), Strings{"timer step_deadline a[1] 5000000"});
  EXPECT_TRUE(run.fire(TimerKind::kStepDeadline, "a").stale) << "the loop has none";
  EXPECT_EQ(folded_by_old_rules(run).status, RunStatus::kFailed) << "the loop had it";
}

TEST(Planner, AWaitingItemThatIsTooLateTimesOut) {
  Step a = make_step("a");
  a.type = "wait";
  a.timeout_us = 2 * kSecondUs;
  a.edit().for_each = "{{ input.list }}";
  Bench run({a});
  run.decide("a", true, json::Array{1, 2});
  run.apply(AttemptWaiting{"a[1]", 1, WaitReason::kTime, run.now_us + 9 * kSecondUs, "", {}});
  run.now_us += 2 * kSecondUs;
  run.fire(TimerKind::kStepDeadline, "a[1]");
  EXPECT_EQ(run.status("a[1]"), StepStatus::kTimedOut);
  EXPECT_EQ(run.status("a[0]"), StepStatus::kCancelled);
  EXPECT_EQ(run.state.status, RunStatus::kFailed);
  EXPECT_EQ(run.text(run.state), run.text(run.twin));
}

TEST(Planner, HundredThousandStepsInAChainAndInAFan) {
  constexpr uint32_t kSteps = 100'000;
  std::vector<Step> chain, fan;
  for (uint32_t i = 0; i < kSteps; ++i) {
    chain.push_back(make_step("s" + std::to_string(i)));
    if (i > 0) chain.back().dependencies = {i - 1};
  }
  for (uint32_t i = 0; i < kSteps; ++i) fan.push_back(make_step("s" + std::to_string(i)));
  fan.push_back(make_step("last"));
  for (uint32_t i = 0; i < kSteps; ++i) fan.back().dependencies.push_back(i);
  for (auto* steps : {&chain, &fan}) {
    const Planner planner = make_planner(*steps);
    State state;
    RunAccepted accepted;
    accepted.run = "r";
    accepted.definition = "hash";
    ASSERT_TRUE(planner.apply(state, {1, accepted}).ok());
    std::vector<Command> todo = planner.apply(state, {1, RunStarted{}})->commands;
    for (size_t i = 0; i < todo.size() && todo[i].kind == Command::Kind::kStart; ++i) {
      const Decision next = *planner.apply(state, {1, AttemptSucceeded{todo[i].path, 1, 1}});
      todo.insert(todo.end(), next.commands.begin(), next.commands.end());
    }
    EXPECT_EQ(todo.back().kind, Command::Kind::kFinish);
    EXPECT_EQ(state.unfinished, 0U);
  }
  // A failure runs down the whole chain in one event, without recursion.
  const Planner planner = make_planner(chain);
  State state;
  RunAccepted accepted;
  accepted.run = "r";
  accepted.definition = "hash";
  ASSERT_TRUE(planner.apply(state, {1, accepted}).ok());
  ASSERT_TRUE(planner.apply(state, {1, RunStarted{}}).ok());
  ASSERT_TRUE(planner.apply(state, {1, AttemptFailed{"s0", 1, {}, true, 0}}).ok());
  EXPECT_EQ(state.status, RunStatus::kFailed);
}

}  // namespace
}  // namespace weft::workflow
