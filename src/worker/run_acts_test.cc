// SPDX-License-Identifier: Apache-2.0
#include "worker/run_acts.h"

#include <fstream>

#include "base/file.h"
#include "worker/change_writer.h"
#include "worker/executor_test.h"

namespace weft::worker {
namespace {

constexpr std::string_view kTwoApprovals = R"(
weft: "1"
id: two-approvals
input: {type: object, properties: {amount: {type: integer, default: 7}}}
steps:
  - {id: legal, type: approval, parameters: {role: lawyer, title: "Legal?", show: "{{ input }}"}}
  - {id: money, type: approval, timeout: 1h,
     parameters: {role: cfo, title: "Pay?", assignees: [cleo], on_reject: continue}}
  - {id: after, type: set, dependencies: [legal, money],
     parameters: {value: "{{ steps.legal.decision }} {{ steps.money.decision }}"}}
output: "{{ steps.after }}"
)";

class RunActsTest : public ExecutorTest {
 protected:
  PostContext as(const Actor& actor) { return {*reader_, env_, actor}; }
  Result<Posted> approve(const std::string& run, std::string step, bool yes = true) {
    return decide_approval(as(everybody_), run, {std::move(step), yes, ""});
  }
  void settle_a_little(SimProcess& process) { settle(process, 2'000'000); }
  std::string error_of(const std::string& run) {
    return json::dump(document(run).at("error").as_object().at("code"));
  }
  int64_t events(const std::string& run, std::string_view kind) {
    return number(fmt::format("SELECT count(*) FROM event WHERE run = '{}' AND kind = '{}'", run,
                              kind));
  }
  Actor everybody_{"ada", {}, true};
};

TEST_F(RunActsTest, regress_dify_42103_parallel_approvals) {
  auto process = this->process();
  NewRun request = this->request(kTwoApprovals, {{"amount", 7}});
  const std::string run = process->executor().submit(std::move(request)).value();
  settle_a_little(*process);
  EXPECT_EQ(status(run), "waiting");
  const auto actions = required_actions(*reader_, {}).value();
  ASSERT_EQ(actions.size(), 2U);
  EXPECT_EQ(actions[0].path, "legal");
  EXPECT_EQ(json::dump(actions[0].body.at("show")), R"({"amount":7})");
  EXPECT_GT(actions[1].deadline_us, 0);
  EXPECT_EQ(approve(run, "").error().code, "E0614") << "which of the two?";
  const auto posted = approve(run, "money", false).value();
  EXPECT_TRUE(posted.owned);
  settle_a_little(*process);
  EXPECT_EQ(outcome_of(*reader_, posted.message).value(), "applied");
  EXPECT_EQ(required_actions(*reader_, {})->size(), 1U);
  EXPECT_EQ(approve(run, "money").error().code, "E0614") << "decided before";
  ASSERT_TRUE(approve(run, "").ok());
  settle_a_little(*process);
  EXPECT_EQ(json::dump(document(run).at("output")), R"("approved rejected")");
  EXPECT_EQ(required_actions(*reader_, {})->size(), 0U);
  EXPECT_TRUE(verify_chains(*reader_).ok());
}

// Windmill #2639: approvals could be bypassed; openai-agents #4244: not honoured on resume.
TEST_F(RunActsTest, regress_openai_agents_4244_approval_survives_its_process) {
  auto first = this->process();
  const std::string run = first->executor().submit(request(kTwoApprovals)).value();
  settle_a_little(*first);
  first.reset();
  ASSERT_TRUE(approve(run, "legal").ok()) << "while nobody has the run";
  env_.advance_us(20'000'000);
  auto second = this->process(10);
  settle_a_little(*second);
  EXPECT_EQ(required_actions(*reader_, {})->size(), 1U);
  ASSERT_TRUE(approve(run, "money").ok());
  second.reset();  // before it heard of it
  env_.advance_us(20'000'000);
  auto third = this->process(10);
  settle_a_little(*third);
  EXPECT_EQ(json::dump(document(run).at("output")), R"("approved approved")");
  EXPECT_EQ(events(run, "approval_decided"), 2);
}

TEST_F(RunActsTest, OnlyWhoMayDecideDecides) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(kTwoApprovals)).value();
  settle_a_little(*process);
  const Actor clerk{"bob", {"clerk"}, false};
  EXPECT_EQ(decide_approval(as(clerk), run, {"legal", true, ""}).error().code, "E0613");
  const Actor lawyer{"leo", {"clerk", "lawyer"}, false};
  EXPECT_TRUE(decide_approval(as(lawyer), run, {"legal", true, ""}).ok());
  const Actor other_cfo{"carl", {"cfo"}, false};
  EXPECT_EQ(decide_approval(as(other_cfo), run, {"money", true, ""}).error().code, "E0613");
  const Actor cfo{"cleo", {"cfo"}, false};
  EXPECT_TRUE(decide_approval(as(cfo), run, {"money", true, "ok"}).ok());
  settle_a_little(*process);
  EXPECT_EQ(status(run), "succeeded");
  const json::Value output = document(run).at("steps").at("money").at("output");
  EXPECT_EQ(output.at("by"), json::Value("cleo"));
  EXPECT_EQ(output.at("comment"), json::Value("ok"));
}

TEST_F(RunActsTest, ARejectionFailsTheStepAndIsNotRetried) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(kTwoApprovals)).value();
  settle_a_little(*process);
  ASSERT_TRUE(approve(run, "legal", false).ok());
  ASSERT_TRUE(approve(run, "money", true).ok());
  settle_a_little(*process);
  EXPECT_EQ(status(run), "failed");
  EXPECT_EQ(error_of(run), R"("approval_rejected")");
}

TEST_F(RunActsTest, OfTwoDecisionsThatRaceTheFirstCountsAndTheSecondHearsIt) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(kTwoApprovals)).value();
  settle_a_little(*process);
  const Posted yes = approve(run, "legal", true).value();
  const Posted no = approve(run, "legal", false).value();  // the owner has not looked yet
  settle_a_little(*process);
  EXPECT_EQ(outcome_of(*reader_, yes.message).value(), "applied");
  EXPECT_EQ(outcome_of(*reader_, no.message).value(), "too late");
  EXPECT_EQ(events(run, "approval_decided"), 2) << "the journal says who tried";
}

constexpr std::string_view kEscalates = R"(
weft: "1"
id: escalates
steps:
  - {id: ask, type: approval, timeout: 1m,
     parameters: {role: lead, on_timeout: WORD, escalate_to: boss}}
output: "{{ steps.ask.by }}"
)";

std::string escalating(std::string_view word) {
  std::string text(kEscalates);
  return text.replace(text.find("WORD"), 4, word);
}

TEST_F(RunActsTest, EscalationAsksTheNextRoleOnceThenFails) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(escalating("escalate"))).value();
  settle(*process, 30'000'000);
  EXPECT_EQ(required_actions(*reader_, {.role = "lead"})->size(), 1U);
  settle(*process, 40'000'000);
  EXPECT_EQ(required_actions(*reader_, {.role = "lead"})->size(), 0U);
  ASSERT_EQ(required_actions(*reader_, {.role = "boss"})->size(), 1U);
  settle(*process, 60'000'000);
  EXPECT_EQ(status(run), "failed");
  EXPECT_EQ(error_of(run), R"("approval_timeout")");
  const std::string heard = process->executor().submit(request(escalating("escalate"))).value();
  settle(*process, 70'000'000);
  ASSERT_TRUE(approve(heard, "").ok());
  settle_a_little(*process);
  EXPECT_EQ(json::dump(document(heard).at("output")), R"("ada")");
}

TEST_F(RunActsTest, AnEscalationSurvivesItsProcess) {
  auto first = this->process();
  const std::string run = first->executor().submit(request(escalating("escalate"))).value();
  settle(*first, 70'000'000);
  first.reset();
  env_.advance_us(20'000'000);
  auto second = this->process(10);
  settle_a_little(*second);
  EXPECT_EQ(required_actions(*reader_, {.role = "boss"})->size(), 1U);
  settle(*second, 60'000'000);
  EXPECT_EQ(status(run), "failed");
}

TEST_F(RunActsTest, ATimeoutApprovesRejectsOrFails) {
  auto process = this->process();
  const std::string yes = process->executor().submit(request(escalating("approve"))).value();
  const std::string no = process->executor().submit(request(escalating("reject"))).value();
  const std::string fail = process->executor().submit(request(escalating("fail"))).value();
  settle(*process, 70'000'000);
  EXPECT_EQ(json::dump(document(yes).at("output")), R"("timeout")");
  EXPECT_EQ(error_of(no), R"("approval_rejected")");
  EXPECT_EQ(error_of(fail), R"("approval_timeout")");
}

constexpr std::string_view kSignals = R"(
weft: "1"
id: signals
steps:
  - {id: first, type: signal, parameters: {name: go, schema: {type: integer}}}
  - {id: second, type: signal, dependencies: [first], parameters: {name: go}}
output: ["{{ steps.first }}", "{{ steps.second }}"]
)";

TEST_F(RunActsTest, SignalsAreTakenInOrderAndKeptUntilWanted) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(kSignals)).value();
  settle_a_little(*process);
  EXPECT_EQ(signal_run(as(everybody_), run, "go", "text").error().code, "E0310");
  for (const int i : {1, 2}) ASSERT_TRUE(signal_run(as(everybody_), run, "go", i).ok());
  settle_a_little(*process);
  EXPECT_EQ(json::dump(document(run).at("output")), "[1,2]");
  EXPECT_EQ(signal_run(as(everybody_), run, "go", 3).error().code, "E0614") << "it has ended";
}

TEST_F(RunActsTest, TheSameMessageTwiceIsOneAct) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(kSignals)).value();
  settle_a_little(*process);
  for (int i = 0; i < 3; ++i) {
    PostContext context = as(everybody_);
    context.message_id = "order-7";
    ASSERT_TRUE(signal_run(context, run, "go", 1).ok());
    settle_a_little(*process);
  }
  EXPECT_EQ(events(run, "signal_received"), 1);
  EXPECT_EQ(status(run), "waiting");
}

TEST_F(RunActsTest, CancelReachesARunInAnotherProcess) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(kSignals)).value();
  settle_a_little(*process);
  ASSERT_TRUE(cancel_run(as(everybody_), run, "enough").ok());
  settle_a_little(*process);
  EXPECT_EQ(status(run), "cancelled");
  EXPECT_EQ(number("SELECT count(*) FROM required_action"), 0);
  EXPECT_EQ(cancel_run(as(everybody_), run, "").error().code, "E0614");
}

// A fenced owner's word does not count; the message waits for the next one.
TEST_F(RunActsTest, AMessageTakenByAZombieIsTakenAgainByItsSuccessor) {
  auto zombie = this->process();
  const std::string run = zombie->executor().submit(request(kSignals)).value();
  settle_a_little(*zombie);
  ASSERT_TRUE(signal_run(as(everybody_), run, "go", 1).ok());
  env_.advance_us(20'000'000);  // its lease ends
  auto heir = this->process(10);
  settle_a_little(*heir);
  settle_a_little(*zombie);
  EXPECT_EQ(events(run, "signal_received"), 1);
  EXPECT_EQ(heir->executor().active(), 1U);
  EXPECT_EQ(zombie->executor().active(), 0U);
}

TEST_F(RunActsTest, NonsenseInTheInboxIsRefusedAndHarmsNothing) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(kSignals)).value();
  settle_a_little(*process);
  const std::string_view bodies[] = {"", "{", "[]", R"({"kind":"run_started","at":1})",
                                     R"({"kind":"approval_decided","at":1,"path":"nowhere"})",
                                     R"({"kind":"approval_decided","at":1,"path":"first[3]"})",
                                     R"({"kind":"run_finished","at":1,"output":1})"};
  for (size_t i = 0; i < std::size(bodies); ++i) {
    const MessageRow message{fmt::format("m{}", i), run, std::string(bodies[i])};
    ASSERT_TRUE(insert_message(*reader_, message).ok());
  }
  settle_a_little(*process);
  EXPECT_EQ(number("SELECT count(*) FROM inbox WHERE outcome = 'refused'"),
            static_cast<int64_t>(std::size(bodies)));
  EXPECT_EQ(status(run), "waiting");
}

// ---- retry and fork --------------------------------------------------------------------------

constexpr std::string_view kFragile = R"(
weft: "1"
id: fragile
input: {type: object, properties: {name: {type: string, default: a}}}
steps:
  - {id: count, type: file, parameters: {action: append, path: count.txt, content: "x"}}
  - {id: read, type: file, dependencies: [count],
     parameters: {action: read, path: "{{ input.name }}.txt"}}
  - {id: last, type: set, dependencies: [read], parameters: {value: "{{ steps.read }}"}}
output: "{{ steps.last }}"
)";

// Dify #12083 and many more: resume from the failed step, keep what was paid for.
TEST_F(RunActsTest, regress_dify_12083_retry_keeps_finished_results) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(kFragile, {{"name", "a"}})).value();
  settle(*process);
  ASSERT_EQ(status(run), "failed");
  const std::string before = json::dump(json::Value(document(run)));
  { std::ofstream(directory_ / "a.txt") << "here"; }
  const std::string again =
      process->executor().submit(retry_request(*reader_, run).value()).value();
  settle(*process);
  EXPECT_EQ(json::dump(document(again).at("output")), R"("here")");
  EXPECT_EQ(read_file((directory_ / "count.txt").string(), 100).value(), "x") << "once";
  EXPECT_EQ(json::dump(json::Value(document(run))), before) << "I4: the old run is as it was";
  EXPECT_EQ(retry_request(*reader_, again).error().code, "E0614") << "nothing failed";
  EXPECT_EQ(number("SELECT count(*) FROM run WHERE origin IS NOT NULL"), 1);
}

TEST_F(RunActsTest, AForkEditsTheInputAndDoesAPartAgain) {
  auto process = this->process();
  { std::ofstream(directory_ / "a.txt") << "A"; }
  { std::ofstream(directory_ / "b.txt") << "B"; }
  const std::string run = process->executor().submit(request(kFragile, {{"name", "a"}})).value();
  settle(*process);
  NewRun request = fork_request(*reader_, run, "read", {{"name", "b"}}).value();
  const std::string fork = process->executor().submit(std::move(request)).value();
  settle(*process);
  EXPECT_EQ(json::dump(document(fork).at("output")), R"("B")");
  EXPECT_EQ(read_file((directory_ / "count.txt").string(), 100).value(), "x");
  EXPECT_EQ(fork_request(*reader_, run, "nowhere", {}).error().code, "E0601");
  EXPECT_EQ(fork_request(*reader_, run, "read", {{"name", 7}}).error().code, "E0310");
}

TEST_F(RunActsTest, AForkedRunSurvivesItsProcess) {
  auto first = this->process();
  { std::ofstream(directory_ / "a.txt") << "A"; }
  const std::string run = first->executor().submit(request(kFragile, {{"name", "a"}})).value();
  settle(*first);
  NewRun request = fork_request(*reader_, run, "read", {}).value();
  request.detached = true;
  const std::string fork = first->executor().submit(std::move(request)).value();
  first->journal().pump();
  first.reset();
  env_.advance_us(20'000'000);
  auto second = this->process(10);
  settle(*second);
  EXPECT_EQ(json::dump(document(fork).at("output")), R"("A")");
}

// ---- sub-workflows ---------------------------------------------------------------------------

constexpr std::string_view kParent = R"(
weft: "1"
id: parent
timeout: 2m
steps:
  - {id: each, type: workflow, for_each: [1, 2],
     parameters: {workflow: child, input: {n: "{{ item }}"}}}
  - {id: sum, type: set, dependencies: [each], parameters: {value: "{{ steps.each }}"}}
output: "{{ steps.sum }}"
)";
constexpr std::string_view kChild = R"(
weft: "1"
id: child
input: {type: object, required: [n], properties: {n: {type: integer}}}
steps:
  - {id: pause, type: wait, parameters: {for: 5s}}
  - {id: double, type: set, dependencies: [pause], parameters: {value: "{{ input.n * 2 }}"}}
output: "{{ steps.double }}"
)";

class SubWorkflowTest : public RunActsTest {
 protected:
  NewRun nested(std::string_view parent, std::string_view child) {
    NewRun run = request(parent);
    run.definitions["child"] = parsed(child);
    return run;
  }
  std::string child_of(const std::string& run) {
    auto rows = reader_->query("SELECT id FROM run WHERE parent = $1 ORDER BY id LIMIT 1", {run})
                    .value();
    return rows->next().value() ? std::string(rows->text(0)) : std::string();
  }
};

TEST_F(SubWorkflowTest, ResultsComeUp) {
  auto process = this->process();
  const std::string run = process->executor().submit(nested(kParent, kChild)).value();
  settle(*process);
  EXPECT_EQ(json::dump(document(run).at("output")), "[2,4]");
  EXPECT_EQ(number("SELECT count(*) FROM run WHERE status = 'succeeded'"), 3);
  EXPECT_EQ(process->executor().active(), 0U);
  EXPECT_TRUE(verify_chains(*reader_).ok());
}

TEST_F(SubWorkflowTest, TheyContinueInOtherProcesses) {
  auto first = this->process();
  const std::string run = first->executor().submit(nested(kParent, kChild)).value();
  settle(*first, 1'000'000);
  first.reset();
  env_.advance_us(20'000'000);
  auto second = this->process(1);  // one run each
  auto third = this->process(10);
  for (int i = 0; i < 60; ++i) {
    settle(*second, 500'000);
    settle(*third, 500'000);
  }
  EXPECT_EQ(json::dump(document(run).at("output")), "[2,4]");
  EXPECT_EQ(number("SELECT count(*) FROM run"), 3) << "no child twice";
}

TEST_F(SubWorkflowTest, CancelGoesDown) {
  auto process = this->process();
  const std::string run = process->executor().submit(nested(kParent, kChild)).value();
  settle(*process, 1'000'000);
  ASSERT_TRUE(cancel_run(as(everybody_), run, "").ok());
  settle_a_little(*process);
  EXPECT_EQ(number("SELECT count(*) FROM run WHERE status = 'cancelled'"), 3);
}

// One item starts its child, the next one fails at once: the child is stopped in the turn in which
// it began.
TEST_F(SubWorkflowTest, AChildHearsThatItIsStoppedInTheTurnOfItsBeginning) {
  std::string parent(kParent);
  parent.replace(parent.find("[1, 2]"), 6, "[1, x]");
  auto process = this->process();
  const std::string run = process->executor().submit(nested(parent, kChild)).value();
  settle(*process);
  EXPECT_EQ(status(run), "failed");
  EXPECT_EQ(number("SELECT count(*) FROM run WHERE status = 'cancelled'"), 1);
  EXPECT_EQ(number("SELECT count(*) FROM run WHERE status = 'succeeded'"), 0);
}

TEST_F(SubWorkflowTest, TheDeadlineGoesDown) {
  std::string parent(kParent);
  parent.replace(parent.find("2m"), 2, "3s");
  auto process = this->process();
  const std::string run = process->executor().submit(nested(parent, kChild)).value();
  settle(*process, 1'000'000);
  EXPECT_EQ(number("SELECT count(*) FROM run WHERE deadline IS NULL AND parent IS NULL"), 0);
  settle(*process);
  EXPECT_EQ(status(run), "timed_out");
  EXPECT_EQ(number("SELECT count(*) FROM run WHERE finished_us IS NULL"), 0);
}

TEST_F(SubWorkflowTest, WhoWaitsForAChildMayGiveUp) {
  auto process = this->process();
  const std::string patient = process->executor().submit(nested(kParent, kChild)).value();
  std::string parent(kParent);
  parent.replace(parent.find("workflow,"), 9, "workflow, timeout: 4s,");
  const std::string run = process->executor().submit(nested(parent, kChild)).value();
  settle(*process, 1'000'000);
  EXPECT_EQ(child_waited_until(*reader_, patient, child_of(patient)).value(), 0);
  const int64_t until_us = child_waited_until(*reader_, run, child_of(run)).value();
  EXPECT_GT(until_us, env_.wall_us());
  EXPECT_LE(until_us, env_.wall_us() + 3'100'000);
  settle(*process, 4'000'000);
  EXPECT_EQ(status(run), "failed");
  EXPECT_LE(child_waited_until(*reader_, run, child_of(run)).value(), env_.wall_us());
}

TEST_F(SubWorkflowTest, AFailureComesUpWithItsReason) {
  constexpr std::string_view broken = R"(
weft: "1"
id: child
steps:
  - {id: bad, type: validate, parameters: {value: 1, schema: {type: string}}}
)";
  auto process = this->process();
  const std::string run = process->executor().submit(nested(kParent, broken)).value();
  settle(*process);
  EXPECT_EQ(error_of(run), R"("E0616")");
  const std::string child = child_of(run);
  EXPECT_EQ(status(child), "failed");
}

TEST_F(SubWorkflowTest, OneThatCallsItselfEndsAtALimit) {
  constexpr std::string_view endless = R"(
weft: "1"
id: child
steps:
  - {id: again, type: workflow, parameters: {workflow: child}}
)";
  constexpr std::string_view parent = R"(
weft: "1"
id: parent
steps:
  - {id: again, type: workflow, parameters: {workflow: child}}
)";
  auto process = this->process();
  const std::string run = process->executor().submit(nested(parent, endless)).value();
  settle(*process);
  EXPECT_EQ(status(run), "failed");
  EXPECT_EQ(number("SELECT count(*) FROM run"), 17);
}

TEST_F(SubWorkflowTest, ANameThatIsNotPinnedFailsTheStep) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(kParent)).value();
  settle(*process);
  EXPECT_EQ(error_of(run), R"("E0616")");
}

// More items than a turn has commands.
TEST_F(RunActsTest, ALargeLoopIsCancelledInOneTurn) {
  constexpr std::string_view waits = R"(
weft: "1"
id: waits
steps: [{id: each, type: approval, for_each: "{{ range(0, 700) | list }}",
         parameters: {role: lead, title: x}}]
)";
  auto process = this->process();
  const std::string run = process->executor().submit(request(waits)).value();
  settle_a_little(*process);
  EXPECT_EQ(status(run), "waiting");
  ASSERT_TRUE(cancel_run(as(everybody_), run, "").ok());
  settle_a_little(*process);
  EXPECT_EQ(status(run), "cancelled");
  EXPECT_EQ(process->executor().active(), 0U);
}

TEST_F(RunActsTest, AKeyThatNoStoreCanHoldFailsItsStep) {
  constexpr std::string_view keyed = R"(
weft: "1"
id: keyed
input: {type: object, properties: {key: {type: string}}}
steps: [{id: post, type: http, idempotency_key: "{{ input.key }}",
         parameters: {url: "http://127.0.0.1:1/", method: POST}}]
)";
  auto process = this->process();
  for (const std::string& key : {std::string("a\0b", 3), std::string(4'000, 'k')}) {
    const json::Object input{{"key", key}};
    const std::string run = process->executor().submit(request(keyed, input)).value();
    settle_a_little(*process);
    EXPECT_EQ(status(run), "failed");
    EXPECT_EQ(error_of(run), R"("E0603")");
  }
}

// ---- aging and parking -----------------------------------------------------------------------

TEST_F(RunActsTest, PrioritiesOrderClaimsAndWaitingRunsGain) {
  auto writer = this->process();
  const auto stored = [&](int32_t priority) {
    NewRun run = request(kSignals);
    run.detached = true;
    run.priority = priority;
    const std::string id = writer->executor().submit(std::move(run)).value();
    while (writer->journal().pump()) {
    }
    return id;
  };
  const std::string old = stored(1);
  env_.advance_us(150'000'000);  // two and a half minutes: worth a priority of two
  const std::string low = stored(2);
  const std::string high = stored(5);
  auto reader = this->process();
  store::Tx tx = store::Tx::begin(*reader_).value();
  const auto ids = claim_runs(*reader_, {"wrk", 1}, 3).value();
  EXPECT_EQ(ids, (std::vector<std::string>{high, old, low}));
}

TEST_F(RunActsTest, AParkedRunLeavesTheMemoryAndComesBackForAMessage) {
  auto process = this->process(10, 5'000'000);
  const std::string run = process->executor().submit(request(kSignals)).value();
  settle_a_little(*process);
  EXPECT_EQ(process->executor().active(), 0U);
  EXPECT_EQ(status(run), "waiting");
  EXPECT_EQ(required_actions(*reader_, {})->size(), 1U);
  for (const int i : {1, 2}) ASSERT_TRUE(signal_run(as(everybody_), run, "go", i).ok());
  settle_a_little(*process);
  EXPECT_EQ(json::dump(document(run).at("output")), "[1,2]");
}

// It is parked again at once unless the message comes with it, whenever the inbox was last read.
TEST_F(RunActsTest, WhoClaimsAParkedRunReadsItsMessagesAtOnce) {
  auto process = this->process(10, 5'000'000, 3'600'000);
  const std::string run = process->executor().submit(request(kSignals)).value();
  settle_a_little(*process);
  ASSERT_EQ(process->executor().active(), 0U);
  for (const int i : {1, 2}) ASSERT_TRUE(signal_run(as(everybody_), run, "go", i).ok());
  settle_a_little(*process);
  EXPECT_EQ(status(run), "succeeded");
}

TEST_F(RunActsTest, AParkedRunWakesOnTime) {
  constexpr std::string_view sleeper = R"(
weft: "1"
id: sleeper
steps: [{id: nap, type: wait, parameters: {for: 60s}}]
)";
  auto process = this->process(10, 5'000'000);
  const std::string run = process->executor().submit(request(sleeper)).value();
  settle(*process, 50'000'000);
  EXPECT_EQ(process->executor().active(), 0U);
  const int64_t versions = number("SELECT version FROM run");
  settle(*process, 20'000'000);
  EXPECT_EQ(status(run), "succeeded");
  EXPECT_LE(versions, 4) << "nobody touched it while it slept";
  EXPECT_EQ(number("SELECT (finished_us - started_us) / 1000000 FROM run"), 60);
}

}  // namespace
}  // namespace weft::worker
