// SPDX-License-Identifier: Apache-2.0
//
// Many runs that wait: none in memory while they do, and all on time although a worker has room
// for few. How much memory and how late: bench/workflow.
#include <malloc.h>

#include "base/file.h"
#include "worker/executor_test.h"

namespace weft::worker {
namespace {

TEST_F(ExecutorTest, ManyTimersDueAtOneInstantFireTogether) {
  constexpr int kRuns = 1'000;
  auto process = this->process(16, 5'000'000);
  const int64_t due_us = env_.wall_us() / 1'000'000 * 1'000'000 + 60'000'000;
  const auto sleeper = parsed(fmt::format(
      "weft: \"1\"\nid: sleeper\nsteps: [{{id: nap, type: wait, parameters: {{until: \"{}\"}}}}]\n",
      iso8601(due_us)));
  for (int i = 0; i < kRuns; ++i) {
    NewRun request;
    request.workflow = sleeper;
    request.input = json::Object();
    ASSERT_TRUE(process->executor().submit(std::move(request)).ok());
  }
  settle(*process, 20'000'000);
  EXPECT_EQ(number("SELECT count(*) FROM run WHERE status = 'waiting'"), kRuns);
  EXPECT_EQ(process->executor().active(), 0U) << "they sleep in the store";
  settle(*process, due_us - env_.wall_us() + 1'000'000);
  EXPECT_EQ(number("SELECT count(*) FROM run WHERE status = 'succeeded'"), kRuns);
  EXPECT_LE(number("SELECT max(finished_us) FROM run") - due_us, 1'000'000);
  EXPECT_GE(number("SELECT min(finished_us) FROM run"), due_us);
}

int64_t heap_bytes() { return static_cast<int64_t>(mallinfo2().uordblks); }

TEST_F(ExecutorTest, RunsThatWaitInTheStoreHoldNoMemory) {
  constexpr int kRuns = 3'000;
  auto process = this->process(16, 5'000'000);
  const auto sleeper = parsed(
      "weft: \"1\"\nid: sleeper\nsteps: [{id: nap, type: wait, parameters: {for: 1h}}]\n");
  const auto sleep = [&](int runs) {
    for (int i = 0; i < runs; ++i) {
      NewRun request;
      request.workflow = sleeper;
      request.input = json::Object();
      ASSERT_TRUE(process->executor().submit(std::move(request)).ok());
      if (i % 100 == 0) settle(*process, 0);
    }
    settle(*process, 3'000'000);
    EXPECT_EQ(process->executor().active(), 0U);
    process->forget_notices();
  };
  sleep(2 * kRuns);  // the store's cache of pages fills
  const int64_t before = heap_bytes();
  sleep(kRuns);
  EXPECT_EQ(number("SELECT count(*) FROM run WHERE wake_us IS NOT NULL"), 3 * kRuns);
  EXPECT_LT(heap_bytes() - before, kRuns * 900) << "a run in memory takes 1.4 kB; pages are kept";
}

// Those in memory fire in the order in which they came, whatever else is due between them.
TEST_F(ExecutorTest, TimersDueAtOneInstantFireInTheOrderOfTheirRuns) {
  auto process = this->process();
  const int64_t due_us = env_.wall_us() / 1'000'000 * 1'000'000 + 10'000'000;
  const auto sleeper = parsed(fmt::format(
      "weft: \"1\"\nid: nap\nsteps: [{{id: nap, type: wait, parameters: {{until: \"{}\"}}}}]\n",
      iso8601(due_us)));
  std::vector<std::string> runs;
  for (int i = 0; i < 500; ++i) {
    NewRun request;
    request.workflow = sleeper;
    request.input = json::Object();
    runs.push_back(process->executor().submit(std::move(request)).value());
  }
  settle(*process, 20'000'000);
  std::vector<std::string> ended;
  for (const Notice& notice : process->notices()) {
    if (notice.kind == Notice::Kind::kRun && notice.terminal) ended.push_back(notice.run);
  }
  EXPECT_EQ(ended, runs);
}

// With a hundred thousand parked runs each look would else read them all.
TEST_F(ExecutorTest, NoLookForWorkReadsTheRunsThatWait) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"SELECT 1 FROM run WHERE worker IS NULL AND finished_us IS NULL AND wake_us IS NULL LIMIT 1",
       "run_unclaimed"},
      {"SELECT id FROM run WHERE worker IS NULL AND finished_us IS NULL AND wake_us IS NOT NULL "
       "AND wake_us <= 5 ORDER BY wake_us LIMIT 5", "run_parked (wake_us>? AND wake_us<?)"},
      {"SELECT id FROM run WHERE worker IS NULL AND finished_us IS NULL AND wake_us IS NULL ORDER "
       "BY rank, id LIMIT 5", "run_unclaimed"},
      {"SELECT id FROM run WHERE worker IS NULL AND finished_us IS NULL AND id IN (SELECT run FROM "
       "inbox WHERE outcome IS NULL) LIMIT 5", "(id=?)"},
      {"SELECT i.id FROM inbox i CROSS JOIN run r WHERE i.outcome IS NULL AND r.id = i.run AND "
       "r.worker = 'w' AND r.worker_epoch = 1 AND r.finished_us IS NULL", "SCAN i USING"},
  };
  for (const auto& [sql, expected] : cases) {
    auto rows = reader_->query(fmt::format("EXPLAIN QUERY PLAN {}", sql), {}).value();
    std::string plan;
    while (rows->next().value()) plan += std::string(rows->text(3)) + "\n";
    EXPECT_NE(plan.find(expected), std::string::npos) << sql << "\n" << plan;
    EXPECT_EQ(plan.find("TEMP B-TREE"), std::string::npos) << sql << "\n" << plan;
  }
}

std::string limited_append(std::string_view on_unknown) {
  return fmt::format(R"(
weft: "1"
id: limited
steps:
  - id: log
    type: file
    retry: {{attempts: 3, backoff: fixed, initial: 1s, jitter: false, attempt_timeout: 10s}}
    on_unknown: {}
    parameters: {{action: append, path: log.txt, content: "x\n"}}
)", on_unknown);
}

// The work is done and the word of it is late: a blocking call cannot be called back.
TEST_F(ExecutorTest, AnUnsafeAttemptPastItsLimitIsUnknownAndNotRepeated) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(limited_append("ask"))).value();
  while (!file_exists(directory_ / "log.txt")) {
    ASSERT_TRUE(process->loop().turn() || process->journal().pump());
  }
  env_.advance_us(11'000'000);
  settle(*process);
  EXPECT_EQ(read_file(directory_ / "log.txt").value(), "x\n");
  const json::Object log = document(run).at("steps").as_object().at("log").as_object();
  EXPECT_EQ(log.at("status"), "unknown");
  EXPECT_EQ(log.at("attempts"), 1);
  EXPECT_EQ(number("SELECT count(*) FROM effect WHERE state = 'unknown'"), 1);
  workflow::UnknownResolved resolved{"log", workflow::UnknownResolved::Resolution::kSucceed,
                                     json::Value("seen"), "me"};
  ASSERT_TRUE(process->executor().resolve_unknown(run, std::move(resolved)).ok());
  settle(*process);
  EXPECT_EQ(status(run), "succeeded");
  EXPECT_EQ(read_file(directory_ / "log.txt").value(), "x\n");
}

TEST_F(ExecutorTest, AnAttemptThatWaitedForAThreadUntilItsLimitHasNotActed) {
  auto process = this->process();
  process->pool().take_threads();
  const std::string run = process->executor().submit(request(limited_append("ask"))).value();
  settle(*process, 10'500'000);
  EXPECT_FALSE(file_exists(directory_ / "log.txt"));
  process->pool().free_threads();
  settle(*process);
  ASSERT_EQ(status(run), "succeeded");
  EXPECT_EQ(read_file(directory_ / "log.txt").value(), "x\n");
  EXPECT_EQ(document(run).at("steps").as_object().at("log").as_object().at("attempts"), 2);
}

TEST_F(ExecutorTest, AnUnsafeAttemptPastItsLimitIsRepeatedWhereThatIsHarmless) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(limited_append("retry"))).value();
  while (!file_exists(directory_ / "log.txt")) {
    ASSERT_TRUE(process->loop().turn() || process->journal().pump());
  }
  env_.advance_us(11'000'000);
  settle(*process);
  EXPECT_EQ(status(run), "succeeded");
  EXPECT_EQ(read_file(directory_ / "log.txt").value(), "x\nx\n");
}

}  // namespace
}  // namespace weft::worker
