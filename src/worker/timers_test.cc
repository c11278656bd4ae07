// SPDX-License-Identifier: Apache-2.0
//
// Many runs that wait: none in memory while they do, and all on time although a worker has room
// for few. How much memory and how late: bench/workflow.
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
