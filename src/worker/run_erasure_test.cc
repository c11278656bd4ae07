// SPDX-License-Identifier: Apache-2.0
#include "worker/run_erasure.h"

#include <gmock/gmock.h>

#include "base/file.h"
#include "worker/audit_check.h"
#include "worker/executor_test.h"
#include "worker/fsck.h"
#include "worker/run_acts.h"

namespace weft::worker {
namespace {

constexpr std::string_view kNamed = R"(
weft: "1"
id: inner
steps: [{id: a, type: set, parameters: {value: "Rumpelstiltskin"}}]
)";
constexpr std::string_view kNaming = R"(
weft: "1"
id: outer
steps:
  - {id: sub, type: workflow, parameters: {workflow: inner}}
)";
constexpr std::string_view kPausing = R"(
weft: "1"
id: asking
steps: [{id: ask, type: approval, parameters: {role: lead}}]
)";

class RunErasureTest : public ExecutorTest {
 protected:
  ErasureProof proof() const {
    return {(directory_ / "checkpoints").string(), security::Secret::derived("test")};
  }
  std::string ran(SimProcess& process, NewRun run) {
    std::string id = process.executor().submit(std::move(run)).value();
    settle(process, 3'000'000);
    return id;
  }
  NewRun outer() const {
    NewRun run = request(kNaming);
    run.definitions["inner"] = parsed(kNamed);
    return run;
  }
  AuditReport report() {
    const std::string file = proof().checkpoints;
    return check_audit(*reader_, file_exists(file) ? read_file(file).value() : "").value();
  }
};

TEST_F(RunErasureTest, ARunGoesWithItsPartsAndTheLineProvesIt) {
  const auto process = this->process();
  const std::string run = ran(*process, outer());
  const std::string other = ran(*process, request(kNamed));
  const int64_t events = number("SELECT count(*) FROM event");
  const Erased would = plan_erasure(*reader_, run).value();
  EXPECT_EQ(would.runs.size(), 2U);
  EXPECT_EQ(would.runs[0], run);
  EXPECT_EQ(number("SELECT count(*) FROM run"), 3);
  const Erased erased = erase_run(*reader_, proof(), run, "ada").value();
  EXPECT_EQ(erased.runs, would.runs);
  EXPECT_EQ(erased.events, would.events);
  EXPECT_TRUE(erased.copies.empty());
  EXPECT_EQ(number("SELECT count(*) FROM run"), 1);
  EXPECT_EQ(number("SELECT count(*) FROM event"), events);
  EXPECT_EQ(number("SELECT count(*) FROM event WHERE kind = 'pruned'"), erased.events);
  EXPECT_EQ(status(other), "succeeded");
  EXPECT_EQ(check_store(*reader_).value().problems_total, 0);
  const AuditReport after = report();
  EXPECT_FALSE(after.problem.has_value()) << after.problem->text();
  EXPECT_EQ(after.pruned_runs, 2);
  EXPECT_THAT(read_file(proof().checkpoints).value(), testing::HasSubstr("\"by\":\"ada\""));
  EXPECT_EQ(erase_run(*reader_, proof(), run, "ada").error().code, "E0601");
  // without the line the same store is a broken one
  std::filesystem::remove(proof().checkpoints);
  EXPECT_EQ(report().problem->code, "E0607");
}

TEST_F(RunErasureTest, OnlyAWholeRunThatHasEndedGoes) {
  const auto process = this->process();
  const std::string run = ran(*process, outer());
  const std::string part = plan_erasure(*reader_, run).value().runs[1];
  const Error of_part = erase_run(*reader_, proof(), part, "ada").error();
  EXPECT_EQ(of_part.code, "E0614");
  EXPECT_THAT(of_part.hint, testing::HasSubstr(run));
  const std::string waiting = ran(*process, request(kPausing));
  EXPECT_EQ(erase_run(*reader_, proof(), waiting, "ada").error().code, "E0614");
  EXPECT_EQ(erase_run(*reader_, proof(), "run_none", "ada").error().code, "E0601");
  EXPECT_FALSE(file_exists(proof().checkpoints));
  // a part whose whole is gone is one by itself
  ASSERT_TRUE(reader_->run("DELETE FROM run WHERE id = $1", {run}).ok());
  EXPECT_TRUE(erase_run(*reader_, proof(), part, "ada").ok());
}

TEST_F(RunErasureTest, CopiesAreNamedAndCallbacksAreUntold) {
  const auto process = this->process();
  const std::string run = ran(*process, request(kNamed));
  const std::string copy = ran(*process, fork_request(*reader_, run, "a", {}).value());
  ASSERT_TRUE(reader_->run("INSERT INTO callback VALUES ($1, '', '', 'waiting', 0, 0, 0, 0, '')",
                           {run}).ok());
  const Erased erased = erase_run(*reader_, proof(), run, "ada").value();
  EXPECT_THAT(erased.copies, testing::ElementsAre(copy));
  EXPECT_EQ(erased.untold, 1);
  EXPECT_EQ(number("SELECT count(*) FROM callback"), 0);
  EXPECT_EQ(status(copy), "succeeded");
  EXPECT_EQ(check_store(*reader_).value().problems_total, 0);
}

TEST_F(RunErasureTest, WhatWasChangedDoesNotVanishWithTheRest) {
  const auto process = this->process();
  const std::string run = ran(*process, request(kNamed));
  for (const char* change : {"body = '{}'", "at_us = at_us + 1", "path = 'z'", "kind = 'z'",
                             "hash = prev_hash", "prev_hash = hash"}) {
    ASSERT_TRUE(reader_->begin().ok());
    ASSERT_TRUE(reader_->run(fmt::format("UPDATE event SET {} WHERE seq = 2", change), {}).ok());
    EXPECT_EQ(plan_erasure(*reader_, run).error().code, "E0607") << change;
    reader_->rollback();
  }
  EXPECT_TRUE(plan_erasure(*reader_, run).ok());
}

}  // namespace
}  // namespace weft::worker
