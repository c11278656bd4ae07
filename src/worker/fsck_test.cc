// SPDX-License-Identifier: Apache-2.0
#include "worker/fsck.h"

#include "worker/executor_test.h"
#include "worker/run_acts.h"

namespace weft::worker {
namespace {

constexpr std::string_view kMixed = R"(
weft: "1"
id: mixed
timeout: 1h
steps:
  - {id: a, type: set, parameters: {value: 20}}
  - {id: bad, type: validate, on_error: continue, parameters: {value: 1, schema: {type: string}}}
  - {id: sub, type: workflow, dependencies: [a], parameters: {workflow: child}}
  - {id: ask, type: approval, dependencies: [a, bad], timeout: 30m, parameters: {role: lead}}
  - {id: never, type: set, dependencies: [ask], parameters: {value: 1}}
)";
constexpr std::string_view kInner = R"(
weft: "1"
id: child
steps: [{id: go, type: signal, parameters: {name: go}}]
)";

class FsckTest : public ExecutorTest {
 protected:
  void fill() {
    process_ = process();
    for (int i = 0; i < 2; ++i) {
      NewRun run = request(kMixed);
      run.definitions["child"] = parsed(kInner);
      runs_.push_back(process_->executor().submit(std::move(run)).value());
    }
    settle(*process_, 3'000'000);
    const Actor actor{"ada", {}, true};
    ASSERT_TRUE(cancel_run({*reader_, env_, actor}, runs_[1], "").ok());
    settle(*process_, 3'000'000);
  }
  std::string first_problem() {
    const auto report = check_store(*reader_).value();
    return report.problems.empty() ? "" : report.problems[0].what;
  }
  std::unique_ptr<SimProcess> process_;
  std::vector<std::string> runs_;
};

TEST_F(FsckTest, AStoreThatWeftWroteAgreesWithItself) {
  fill();
  const auto report = check_store(*reader_).value();
  EXPECT_EQ(report.runs, 4);
  EXPECT_GE(report.events, 20);
  EXPECT_EQ(report.problems_total, 0) << first_problem();
}

// Whatever one table is made to say, it is found.
TEST_F(FsckTest, EveryLieOfATableIsFound) {
  fill();
  const std::pair<std::string_view, std::string_view> lies[] = {
      {"UPDATE run SET status = 'succeeded' WHERE status = 'cancelled'", "status"},
      {"UPDATE run SET deadline = deadline + 1 WHERE finished_us IS NULL", "deadline"},
      {"UPDATE run SET priority = 99", "priority"},
      {"UPDATE run SET input = '{\"x\":1}'", "input"},
      {"UPDATE step SET status = 'failed' WHERE path = 'a'", "step a status"},
      {"UPDATE step SET attempt = 7 WHERE path = 'a'", "step a attempt"},
      {"UPDATE step SET out_ref = 'event:1' WHERE path = 'a'", "step a out_ref"},
      {"DELETE FROM step WHERE path = 'a'", "no row"},
      {"INSERT INTO step (run, path, attempt, status) SELECT run, 'never', 1, 'ready' FROM step "
       "WHERE path = 'ask' AND status = 'waiting'",
       "do not know"},
      {"DELETE FROM timer", "timer"},
      {"DELETE FROM required_action", "required action"},
      {"UPDATE required_action SET kind = 'signal' WHERE kind = 'approval'", "required action"},
      {"UPDATE run SET parent = 'x' WHERE parent IS NOT NULL", "parent"},
      {"UPDATE run SET worker_epoch = 9 WHERE finished_us IS NULL", "no more"},
      {"DELETE FROM event WHERE kind = 'run_accepted'", "does not fit"},
      {"UPDATE event SET body = replace(body, '20', '21') WHERE kind = 'attempt_succeeded'",
       "its content was changed"}};
  for (const auto& [sql, found] : lies) {
    ASSERT_TRUE(reader_->begin().ok());
    ASSERT_GT(reader_->run(sql, {}).value(), 0) << sql;
    ASSERT_TRUE(reader_->commit().ok());
    const auto report = check_store(*reader_).value();
    EXPECT_GT(report.problems_total, 0) << sql;
    bool said = false;
    for (const FsckProblem& problem : report.problems) {
      said = said || problem.what.find(found) != std::string::npos;
    }
    EXPECT_TRUE(said) << sql << "\n" << first_problem();
    process_.reset();
    reader_.reset();
    for (const char* tail : {"", "-wal", "-shm"}) std::filesystem::remove(store() + tail);
    runs_.clear();
    reader_ = SimStore::open(store(), env_, reader_faults_).value();
    fill();
  }
}

}  // namespace
}  // namespace weft::worker
