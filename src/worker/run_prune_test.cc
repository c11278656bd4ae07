// SPDX-License-Identifier: Apache-2.0
#include "worker/run_prune.h"

#include "worker/chain.h"
#include "worker/executor_test.h"
#include "worker/fsck.h"
#include "worker/run_acts.h"

namespace weft::worker {
namespace {

constexpr std::string_view kShort = R"(
weft: "1"
id: short
steps: [{id: a, type: set, parameters: {value: 20}}]
)";
constexpr std::string_view kOuter = R"(
weft: "1"
id: outer
steps:
  - {id: sub, type: workflow, parameters: {workflow: inner}}
  - {id: ask, type: approval, dependencies: [sub], parameters: {role: lead}}
)";

class RunPruneTest : public ExecutorTest {
 protected:
  std::vector<security::PrunedRun> planned(int64_t before_us, int64_t limit = 100) {
    return plan_run_pruning(*reader_, before_us, limit).value();
  }
};

TEST_F(RunPruneTest, OfRunsThatEndedBeforeOnlyLinksStay) {
  const auto process = this->process();
  const std::string first = process->executor().submit(request(kShort)).value();
  settle(*process, 2'000'000);
  const int64_t between = number("SELECT finished_us FROM run") + 1;
  const std::string second = process->executor().submit(request(kShort)).value();
  settle(*process, 2'000'000);
  EXPECT_TRUE(planned(between - 1).empty());
  const auto runs = planned(between);
  ASSERT_EQ(runs.size(), 1U);
  EXPECT_EQ(runs[0].run, first);
  EXPECT_GE(runs[0].events, 3);
  EXPECT_EQ(planned(INT64_MAX, 1).size(), 1U);
  EXPECT_EQ(planned(INT64_MAX).size(), 2U);
  const ChainReport before = verify_chains(*reader_).value();
  EXPECT_TRUE(before.pruned.empty());
  ASSERT_TRUE(remove_runs(*reader_, runs).ok());
  const ChainReport after = verify_chains(*reader_).value();
  EXPECT_EQ(after.events, before.events);
  ASSERT_EQ(after.pruned.size(), 1U);
  EXPECT_EQ(after.pruned.at(first).events, runs[0].events);
  EXPECT_EQ(after.pruned.at(first).digest, runs[0].digest);
  EXPECT_EQ(check_store(*reader_).value().problems_total, 0);
  EXPECT_EQ(read_summary(*reader_, first).error().code, "E0601");
  EXPECT_EQ(status(second), "succeeded");
  for (const char* table : {"step", "effect", "timer", "ai_call", "inbox"}) {
    EXPECT_EQ(number(fmt::format("SELECT count(*) FROM {} WHERE run = '{}'", table, first)), 0);
  }
  // the chain goes on behind the links
  EXPECT_FALSE(process->executor().submit(request(kShort)).value().empty());
  settle(*process, 2'000'000);
  EXPECT_GT(verify_chains(*reader_).value().events, after.events);
  // one that is already gone may be asked to go once more
  EXPECT_TRUE(remove_runs(*reader_, runs).ok());
  EXPECT_EQ(verify_chains(*reader_).value().pruned.at(first).digest, runs[0].digest);
}

TEST_F(RunPruneTest, PartsOfARunThatGoesOnStayAndSoDoCallbacksUntold) {
  const auto process = this->process();
  NewRun outer = request(kOuter);
  outer.definitions["inner"] = parsed(kShort);
  const std::string run = process->executor().submit(std::move(outer)).value();
  settle(*process, 3'000'000);
  EXPECT_EQ(number("SELECT count(*) FROM run WHERE finished_us IS NOT NULL"), 1);
  EXPECT_TRUE(planned(INT64_MAX).empty());
  ASSERT_TRUE(cancel_run({*reader_, env_, Actor{"ada", {}, true}}, run, "").ok());
  settle(*process, 3'000'000);
  EXPECT_EQ(planned(INT64_MAX).size(), 2U);
  ASSERT_TRUE(reader_->run("INSERT INTO callback VALUES ($1, '', '', 'waiting', 0, 0, 0, 0, '')",
                           {run}).ok());
  ASSERT_EQ(planned(INT64_MAX).size(), 1U);
  ASSERT_TRUE(reader_->run("UPDATE callback SET state = 'dead'", {}).ok());
  const auto both = planned(INT64_MAX);
  ASSERT_TRUE(remove_runs(*reader_, both).ok());
  EXPECT_EQ(number("SELECT count(*) FROM run"), 0);
  EXPECT_EQ(number("SELECT count(*) FROM callback"), 0);
  EXPECT_EQ(verify_chains(*reader_).value().pruned.size(), 2U);
}

TEST_F(RunPruneTest, AnEventThatIsNotQuiteGoneIsFound) {
  const auto process = this->process();
  process->executor().submit(request(kShort)).value();
  settle(*process, 2'000'000);
  const auto runs = planned(INT64_MAX);
  ASSERT_TRUE(remove_runs(*reader_, runs).ok());
  for (const char* change : {"body = '{}'", "path = 'a'", "hash = prev_hash",
                             "prev_hash = hash", "n = n + 1", "kind = ''"}) {
    ASSERT_TRUE(reader_->begin().ok());
    ASSERT_TRUE(reader_->run(fmt::format("UPDATE event SET {} WHERE seq = 2", change), {}).ok());
    const auto checked = verify_chains(*reader_);
    // a link that only the signed digest can tell is another one then
    const bool found = !checked.ok() || checked->pruned.begin()->second.digest != runs[0].digest;
    EXPECT_TRUE(found) << change;
    reader_->rollback();
  }
}

}  // namespace
}  // namespace weft::worker
