// SPDX-License-Identifier: Apache-2.0
#include "worker/executor_test.h"

#include "base/file.h"
#include "worker/blocking_activity.h"
#include "worker/tool_settings.h"

namespace weft::worker {
namespace {

constexpr std::string_view kChain = R"(
weft: "1"
id: chain
steps:
  - {id: a, type: set, parameters: {value: 20}}
  - {id: b, type: set, dependencies: [a], parameters: {value: "{{ steps.a + 1 }}"}}
  - {id: c, type: set, dependencies: [b], parameters: {value: "{{ steps.b * 2 }}"}}
output: {answer: "{{ steps.c }}"}
)";

TEST_F(ExecutorTest, AChainOfPureStepsIsOneTurnAndOneTransaction) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(kChain)).value();
  EXPECT_EQ(process->journal().decided().n, 1U);
  EXPECT_TRUE(process->notices().empty());  // nothing is on disk yet
  settle(*process, 0);
  EXPECT_EQ(json::dump(document(run).at("output")), R"({"answer":42})");
  EXPECT_EQ(status(run), "succeeded");
  EXPECT_FALSE(process->notices().empty());
  EXPECT_EQ(process->executor().active(), 0U);
  EXPECT_EQ(number("SELECT count(*) FROM step WHERE status = 'succeeded'"), 3);
  EXPECT_TRUE(verify_chains(*reader_).ok());
}

// I1: no notice leaves before its transaction is on disk.
TEST_F(ExecutorTest, NothingIsToldThatIsNotOnDisk) {
  auto process = this->process();
  process->faults().commits_until_fault = 0;
  ASSERT_TRUE(process->executor().submit(request(kChain)).ok());
  settle(*process, 0);
  EXPECT_TRUE(process->notices().empty());
  ASSERT_TRUE(process->executor().journal_error().has_value());
  EXPECT_EQ(number("SELECT count(*) FROM run"), 0);
}

TEST_F(ExecutorTest, AnEffectWaitsForItsIntentAndItsInputs) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(R"(
weft: "1"
id: effect
steps:
  - {id: text, type: set, parameters: {value: hello}}
  - {id: log, type: file, dependencies: [text],
     parameters: {action: append, path: log.txt, content: "{{ steps.text }}\n"}}
)")).value();
  while (process->loop().turn()) {
  }
  EXPECT_FALSE(file_exists(directory_ / "log.txt"));
  process->journal().pump();
  EXPECT_EQ(number("SELECT count(*) FROM effect WHERE state = 'intent'"), 1);
  EXPECT_FALSE(file_exists(directory_ / "log.txt"));
  settle(*process, 0);
  EXPECT_EQ(read_file(directory_ / "log.txt").value(), "hello\n");
  EXPECT_EQ(status(run), "succeeded");
  EXPECT_EQ(number("SELECT count(*) FROM effect WHERE state = 'done'"), 1);
}

constexpr std::string_view kAppend = R"(
weft: "1"
id: append
steps:
  - {id: log, type: file, parameters: {action: append, path: log.txt, content: "x\n"}}
)";

// The effect happened, its result was not recorded: never repeated in silence.
TEST_F(ExecutorTest, AnUnsafeEffectThatWasCutOffIsUnknown) {
  auto first = process();
  const std::string run = first->executor().submit(request(kAppend)).value();
  while (first->loop().turn()) {
  }
  first->journal().pump();                           // the intent is on disk
  while (first->loop().turn()) {
  }
  ASSERT_EQ(read_file(directory_ / "log.txt").value(), "x\n");
  first.reset();                                     // kill -9 before the result is
  env_.advance_us(20'000'000);
  auto second = process(10);
  settle(*second, 5'000'000);
  EXPECT_EQ(read_file(directory_ / "log.txt").value(), "x\n");
  const json::Object shown = document(run);
  EXPECT_EQ(json::dump(shown.at("steps").as_object().at("log").as_object().at("status")),
            "\"unknown\"");
  EXPECT_EQ(number("SELECT count(*) FROM audit WHERE action = 'step_act' AND outcome = 'unknown' "
                   "AND details LIKE '%\"type\":\"file\"%'"), 1);
  workflow::UnknownResolved resolved{"log", workflow::UnknownResolved::Resolution::kSucceed,
                                     json::Value("seen"), "me"};
  ASSERT_TRUE(second->executor().resolve_unknown(run, std::move(resolved)).ok());
  settle(*second, 0);
  EXPECT_EQ(status(run), "succeeded");
  EXPECT_EQ(read_file(directory_ / "log.txt").value(), "x\n");
}

// While the intent to post is on its way to the disk, the other branch ends: what is sent is what
// stands in the record.
TEST_F(ExecutorTest, WhatIsSentIsOfTheResultsThatTheRecordWasMadeOf) {
  ToolSettings tools;
  tools.secrets["TOKEN"] = {.value = "tok-4471-abcd", .origin = "env:TOKEN"};
  ASSERT_TRUE(write_file_atomic(directory_ / "in.txt", "late").ok());
  SimProcess process(env_, store(), 0, 0, nullptr, JournalOptions().inbox_ms, &tools);
  const std::string run = process.executor().submit(request(R"(
weft: "1"
id: sends
steps:
  - {id: quick, type: set, parameters: {value: 1}}
  - {id: slow, type: file, parameters: {action: read, path: in.txt}}
  - id: post
    type: http
    dependencies: [quick, slow]
    join: any_ok
    parameters:
      method: POST
      url: "https://example.com/{{ secrets.TOKEN }}"
      json: "{{ 1 if steps.slow is none else steps.slow.only_the_record_is_without_it }}"
)")).value();
  while (process.loop().turn()) {  // `slow` ends, and nothing is on disk
  }
  settle(process, 1'000'000);
  const json::Object steps = document(run).at("steps").as_object();
  EXPECT_EQ(json::dump(steps.at("slow").as_object().at("status")), "\"succeeded\"");
  const std::string post = json::dump(steps.at("post"));
  EXPECT_NE(post.find("E0610"), std::string::npos) << "not sent for want of a client: " << post;
}

// `slow` ends while `b` rests: templates that are read once more, when it wakes up, do not see it.
TEST_F(ExecutorTest, AStepWakesUpToWhatItBeganWith) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(R"(
weft: "1"
id: wakes
steps:
  - {id: quick, type: set, parameters: {value: 1}}
  - {id: nap, type: wait, parameters: {for: 5s}}
  - {id: slow, type: set, dependencies: [nap], parameters: {value: 2}}
  - id: b
    type: wait
    dependencies: [quick, slow]
    join: any_ok
    parameters: {for: "{{ '10s' if steps.slow is none else steps.slow.only_at_first }}"}
)")).value();
  settle(*process, 20'000'000);
  EXPECT_EQ(status(run), "succeeded");
}

// The run's deadline moves while its clock stands still: what a template makes of it moves, too.
TEST_F(ExecutorTest, AStepWhoseTemplatesCannotBeReadWhenItWakesUpFails) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(R"(
weft: "1"
id: wakes
timeout: 60s
input: {type: object, properties: {until: {type: string}}}
steps:
  - id: nap
    type: wait
    parameters: {for: "{{ '10s' if run.deadline < input.until else 1 // 0 }}"}
)", json::Object{{"until", iso8601(env_.wall_us() + 65'000'000)}})).value();
  settle(*process, 20'000'000);
  EXPECT_EQ(status(run), "failed");
  EXPECT_NE(json::dump(document(run).at("error")).find("E0450"), std::string::npos);
  const std::string asks = process->executor().submit(request(R"(
weft: "1"
id: asks
timeout: 60s
input: {type: object, properties: {until: {type: string}}}
steps:
  - id: ask
    type: approval
    timeout: 10s
    parameters: {role: lead, on_timeout: "{{ 'approve' if run.deadline < input.until else 5 }}"}
)", json::Object{{"until", iso8601(env_.wall_us() + 65'000'000)}})).value();
  settle(*process, 20'000'000);
  EXPECT_EQ(status(asks), "failed");
  EXPECT_NE(json::dump(document(asks).at("error")).find("E0603"), std::string::npos);
}

TEST_F(ExecutorTest, AWaitingRunContinuesInAnotherProcess) {
  auto first = process();
  const std::string run = first->executor().submit(request(R"(
weft: "1"
id: waits
steps:
  - {id: pause, type: wait, parameters: {for: 60s}}
  - {id: after, type: set, dependencies: [pause], parameters: {value: done}}
output: "{{ steps.after }}"
)")).value();
  settle(*first, 1'000'000);
  EXPECT_EQ(status(run), "waiting");
  EXPECT_EQ(number("SELECT count(*) FROM timer WHERE kind = 'wake'"), 1);
  first.reset();
  env_.advance_us(20'000'000);
  auto second = process(10);
  settle(*second, 30'000'000);
  EXPECT_EQ(status(run), "waiting");
  settle(*second, 15'000'000);
  EXPECT_EQ(status(run), "succeeded");
  EXPECT_EQ(number("SELECT count(*) FROM timer"), 0);
}

// What a worker cannot go on with it must not keep: a newer one may wait for it.
TEST_F(ExecutorTest, ARunThatNeedsANewerWeftIsOfferedAgain) {
  auto first = process();
  const std::string run = first->executor().submit(request(R"(
weft: "1"
id: waits
steps: [{id: pause, type: wait, parameters: {for: 5s}}]
)")).value();
  settle(*first, 1'000'000);
  first.reset();
  const auto decides_by = [&](std::string_view was, std::string_view is) {
    return reader_->run("UPDATE event SET body = replace(body, $1, $2) WHERE seq = 1", {was, is})
        .value();
  };
  const std::string known = fmt::format("\"rules\":{}", workflow::kRules);
  ASSERT_EQ(decides_by(known, "\"rules\":4000"), 1);
  env_.advance_us(20'000'000);
  auto second = process(10);
  settle(*second, 2'000'000);
  EXPECT_EQ(second->executor().active(), 0U);
  EXPECT_EQ(number("SELECT count(*) FROM run WHERE worker IS NOT NULL"), 1) << "not claimed";
  ASSERT_EQ(decides_by("\"rules\":4000", known), 1);  // as if it were the newer one
  settle(*second, 30'000'000);
  EXPECT_EQ(status(run), "waiting") << "it is looked at without end";
  settle(*second, 40'000'000);
  EXPECT_EQ(status(run), "succeeded");
}

// What the database does not take ends the run that wrote it, and no other.
TEST_F(ExecutorTest, ARunWhoseChangeIsRefusedEndsAlone) {
  ASSERT_TRUE(reader_->script("CREATE TRIGGER taste BEFORE INSERT ON event WHEN new.kind = "
                              "'attempt_succeeded' AND new.body LIKE '%poison%' BEGIN SELECT "
                              "RAISE(ABORT, 'it tastes bad'); END").ok());
  auto process = this->process(10);
  const std::string document = R"(
weft: "1"
id: later
input: {type: object, properties: {word: {type: string}}}
steps:
  - {id: pause, type: wait, parameters: {for: 1s}}
  - {id: say, type: set, dependencies: [pause], parameters: {value: "{{ input.word }}son"}}
output: "{{ steps.say }}"
)";
  NewRun bad = request(document);
  bad.input = json::Object{{"word", "poi"}};
  NewRun good = request(document);
  good.input = json::Object{{"word", "per"}};
  const std::string ends = process->executor().submit(std::move(bad)).value();
  const std::string lives = process->executor().submit(std::move(good)).value();
  const std::string new_one = process->executor().submit(request(R"(
weft: "1"
id: at-once
steps: [{id: say, type: set, parameters: {value: poison}}]
)")).value();
  settle(*process, 3'000'000);
  EXPECT_FALSE(process->executor().journal_error().has_value());
  EXPECT_EQ(status(lives), "succeeded");
  EXPECT_EQ(status(ends), "cancelled");
  EXPECT_NE(read_summary(*reader_, ends)->error.find("it tastes bad"), std::string::npos);
  EXPECT_FALSE(read_summary(*reader_, new_one).ok());
  const auto told = std::ranges::find_if(process->notices(), [&](const Notice& notice) {
    return notice.run == new_one && notice.kind == Notice::Kind::kLost && !notice.why.empty();
  });
  EXPECT_NE(told, process->notices().end());
  EXPECT_EQ(process->executor().active(), 0U);
  EXPECT_TRUE(verify_chains(*reader_).ok());
}

// What a run of that tenant would write cannot be sealed, not even its end: it stays as it is until
// the key is back. All others go on.
TEST_F(ExecutorTest, ADamagedDataKeyStopsTheRunsOfItsTenantAlone) {
  const auto of = [this](const std::string& tenant) {
    NewRun run = request(R"(
weft: "1"
id: later
steps:
  - {id: pause, type: wait, parameters: {for: 5s}}
  - {id: say, type: set, dependencies: [pause], parameters: {value: done}}
)");
    run.context = to_json(RunContext{.roots = {}, .model = {}, .tenant = tenant});
    return run;
  };
  const auto succeeded = [this](const std::string& run) {
    return number("SELECT count(*) FROM run WHERE status = 'succeeded' AND id = '" + run + "'");
  };
  auto process = sealed_process();
  const std::string stays = process->executor().submit(of("acme")).value();
  const std::string ends = process->executor().submit(of("bolt")).value();
  settle(*process, 0);
  process.reset();
  const security::WrappedKey key = damage_newest_key("acme");
  env_.advance_us(30'000'000);

  process = sealed_process();
  const std::string is_none = process->executor().submit(of("acme")).value();
  const std::string is_new = process->executor().submit(of("bolt")).value();
  process->journal().audit({.tenant = "acme", .user = "eve", .action = "look", .resource = "it",
                            .details = R"({"why":"curious"})"});
  settle(*process, 10'000'000);
  EXPECT_FALSE(process->executor().journal_error().has_value());
  EXPECT_EQ(succeeded(ends) + succeeded(is_new), 2);
  EXPECT_EQ(number("SELECT count(*) FROM run WHERE id = '" + is_none + "'"), 0);
  EXPECT_EQ(number("SELECT count(*) FROM run WHERE finished_us IS NULL AND id = '" + stays + "'"),
            1);
  EXPECT_EQ(process->journal().left_alone(), 1);
  EXPECT_EQ(process->executor().active(), 0U);
  for (const std::string& run : {stays, is_none}) {
    const auto told = std::ranges::find_if(process->notices(), [&](const Notice& notice) {
      return notice.run == run && notice.kind == Notice::Kind::kLost && notice.code == "E0510";
    });
    ASSERT_NE(told, process->notices().end()) << run;
    EXPECT_NE(told->why.find("tenant 'acme'"), std::string::npos) << told->why;
  }
  const auto audit = security::read_audit(*open_journal_store(sealed_store()).value(), {});
  ASSERT_TRUE(audit.ok()) << audit.error().text();
  ASSERT_EQ(audit->size(), 1U);
  EXPECT_EQ(audit->at(0).record.details, R"({"why":"curious"})") << "sealed for the store";

  process.reset();
  set_wrapped(key.id, key.wrapped);
  env_.advance_us(30'000'000);
  process = sealed_process();
  settle(*process, 10'000'000);
  EXPECT_EQ(succeeded(stays), 1);
  EXPECT_EQ(process->journal().left_alone(), 0);
  EXPECT_TRUE(verify_chains(*reader_).ok());
}

TEST_F(ExecutorTest, AFailingStepIsRetriedThenFailsTheRun) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(R"(
weft: "1"
id: fails
steps:
  - {id: read, type: file, retry: {attempts: 3, backoff: fixed, initial: 2s, jitter: false},
     parameters: {action: read, path: missing.txt}}
)")).value();
  settle(*process);
  EXPECT_EQ(status(run), "failed");
  const json::Object shown = document(run);
  EXPECT_EQ(shown.at("steps").as_object().at("read").as_object().at("attempts").as_int64(), 3);
  EXPECT_EQ(shown.at("error").as_object().at("code"), "E0605");
}

TEST_F(ExecutorTest, OutsideTheRootsIsRefusedAndNotRetried) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(R"(
weft: "1"
id: outside
steps:
  - {id: read, type: file, retry: {attempts: 3}, parameters: {action: read, path: ../../etc/passwd}}
)")).value();
  settle(*process);
  const json::Object shown = document(run);
  EXPECT_EQ(shown.at("error").as_object().at("code"), "E0608");
  EXPECT_EQ(shown.at("steps").as_object().at("read").as_object().at("attempts").as_int64(), 1);
}

TEST_F(ExecutorTest, CancellingEndsTheRunAndItsTimers) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(R"(
weft: "1"
id: cancelled
steps:
  - {id: pause, type: wait, parameters: {for: 1h}}
)")).value();
  settle(*process, 0);
  ASSERT_TRUE(process->executor().cancel(run, "me", "no longer needed").ok());
  settle(*process, 0);
  EXPECT_EQ(status(run), "cancelled");
  EXPECT_EQ(process->executor().active(), 0U);
  EXPECT_EQ(process->loop().next_timer_us(), std::nullopt);
  EXPECT_EQ(process->executor().cancel(run, "me", "").error().code, "E0601");
}

TEST_F(ExecutorTest, AStepThatThisEditionHasNotIsRefusedBeforeAnythingHappens) {
  auto process = this->process();
  NewRun foreign = request(R"(
weft: "1"
id: foreign
steps:
  - {id: ask, type: set, parameters: {value: 1}}
)");
  workflow::Workflow changed = *foreign.workflow;
  changed.steps[0].type = "teleport";
  foreign.workflow = std::make_shared<const workflow::Workflow>(std::move(changed));
  const auto run = process->executor().submit(std::move(foreign));
  ASSERT_FALSE(run.ok());
  EXPECT_EQ(run.error().code, "E0602");
  EXPECT_EQ(process->executor().active(), 0U);
}

// The second item must not begin: the first has ended the loop, and the run.
TEST_F(ExecutorTest, AnItemThatFailsAtOnceEndsTheRunBeforeItsSistersBegin) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(R"(
weft: "1"
id: sisters
steps:
  - {id: each, type: validate, for_each: [1, 2, 3], parameters: {value: 1, schema: {type: string}}}
  - {id: log, type: file, for_each: [1, 2],
     parameters: {action: append, path: "{{ item.missing }}", content: x}}
)")).value();
  settle(*process, 1'000'000);
  EXPECT_EQ(status(run), "failed");
}

// A process that was stopped past its lease wakes up after another finished its run.
TEST_F(ExecutorTest, AZombieDropsItsRunWithoutHarm) {
  auto first = process();
  const std::string run = first->executor().submit(request(R"(
weft: "1"
id: zombie
steps:
  - {id: pause, type: wait, parameters: {for: 5s}}
  - {id: after, type: set, dependencies: [pause], parameters: {value: once}}
)")).value();
  while (first->loop().turn() || first->journal().pump()) {
  }
  env_.advance_us(30'000'000);
  auto second = process(10);
  settle(*second, 2'000'000);
  EXPECT_EQ(status(run), "succeeded");
  const int64_t events = number("SELECT count(*) FROM event");
  settle(*first, 2'000'000);  // its timer fires, its result comes to nothing
  EXPECT_EQ(first->executor().active(), 0U);
  EXPECT_EQ(number("SELECT count(*) FROM event"), events);
  ASSERT_FALSE(first->notices().empty());
  EXPECT_EQ(first->notices().back().kind, Notice::Kind::kLost);
}

class HeldPool final : public Pool {
 public:
  void submit(std::function<void()> task) override { tasks_.push_back(std::move(task)); }
  void run_all() {
    for (auto& task : std::exchange(tasks_, {})) task();
  }

 private:
  std::vector<std::function<void()>> tasks_;
};

TEST(BlockingActivityTest, WhatIsCancelledBeforeItBeginsWaitsNoMoreAndHasNotActed) {
  HeldPool pool;
  int works = 0, told = 0;
  const auto start = [&] {
    return on_pool(pool, [&](StepOutcome) { ++told; },
                   [&]() -> StepOutcome {
                     ++works;
                     return StepResult{};
                   });
  };
  const Started first = start(), second = start();
  EXPECT_EQ(pool.waiting(), 2);
  second.activity->cancel();
  second.activity->cancel();
  EXPECT_EQ(pool.waiting(), 1);
  EXPECT_FALSE(second.activity->stop_at_limit().maybe_acted);
  pool.run_all();
  EXPECT_EQ(pool.waiting(), 0);
  EXPECT_EQ(works, 1);
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(first.activity->stop_at_limit().maybe_acted);
  EXPECT_EQ(pool.waiting(), 0);
}

TEST_F(ExecutorTest, LoopsJoinAndKeepTheirOrder) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(R"(
weft: "1"
id: loop
steps:
  - {id: list, type: set, parameters: {value: [3, 1, 2]}}
  - {id: each, type: set, dependencies: [list], for_each: "{{ steps.list }}",
     parameters: {value: "{{ item * 10 + index }}"}}
output: "{{ steps.each }}"
)")).value();
  settle(*process, 0);
  EXPECT_EQ(json::dump(document(run).at("output")), "[30,11,22]");
}

}  // namespace
}  // namespace weft::worker
