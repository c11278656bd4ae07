// SPDX-License-Identifier: Apache-2.0
//
// Many runs that wait: none in memory while they do, and all on time although a worker has room
// for few. How much memory and how late: bench/workflow.
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

}  // namespace
}  // namespace weft::worker
